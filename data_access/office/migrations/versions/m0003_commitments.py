"""Commitments and what was said of them."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "commitments",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("made_on", sa.Date(), nullable=False),
        sa.Column("due_on", sa.Date(), nullable=False),
        sa.Column("made_by", sa.String(60), nullable=False),
        sa.Column("words", sa.Text(), nullable=False),
        sa.Column("district", sa.String(60), nullable=False),
        sa.Column("topic", sa.String(60), nullable=False),
        sa.Column("project", sa.String(60), nullable=False),
        sa.Column("measure", sa.String(60), nullable=False),
        sa.Column("goal", sa.Double(), nullable=True),
        sa.Column("account", sa.String(60), nullable=False),
        sa.Column("entered_at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_commitments"),
    )
    op.create_index("ix_commitments_due_on", "commitments", ["due_on"])
    op.create_table(
        "commitment_remarks",
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("commitment", sa.Integer(), nullable=False),
        sa.Column("kind", sa.String(20), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("account", sa.String(60), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_commitment_remarks"),
        sa.ForeignKeyConstraint(
            ["commitment"], ["commitments.number"], name="fk_commitment_remarks_commitment"
        ),
    )
    op.create_index("ix_commitment_remarks_commitment", "commitment_remarks", ["commitment"])
