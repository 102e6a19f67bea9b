"""The programs here run in environments of their own (tests/sandbox/test_sdks.py starts them), never in this one."""

collect_ignore_glob = ["*_program.py"]
