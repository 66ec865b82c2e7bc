"""Loading: files of rows become a published version, and no row is lost in silence.

``load.load`` is the way in. A file is read by ``sources``, its columns are named by ``mapping``,
rows become cases in ``case_staging`` with the help of ``placing`` (what words mean), ``times`` and
``privacy``, or rows of a small table in ``table_files`` (for a wide file of metrics by way of
``scorecard``; ``remarks`` says what looks wrong there); ``account`` says what became of each row.
"""
