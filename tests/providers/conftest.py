"""The programs here run in environments of their own."""

collect_ignore_glob = ["*_program.py"]
