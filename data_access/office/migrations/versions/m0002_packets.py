"""Packets (简报) that were settled."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the table of packets."""
    op.create_table(
        "packets",
        sa.Column("id", sa.String(20), nullable=False),
        sa.Column("made_at", sa.DateTime(), nullable=False),
        sa.Column("account", sa.String(60), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("series", sa.Text(), nullable=False),
        sa.Column("starts_on", sa.Date(), nullable=False),
        sa.Column("title", sa.String(200), nullable=False),
        sa.Column("period", sa.String(120), nullable=False),
        sa.Column("data_version", sa.String(60), nullable=False),
        sa.Column("edits", sa.Integer(), nullable=False),
        sa.Column("content", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_packets"),
    )
    op.create_index("ix_packets_made_at", "packets", ["made_at"])
