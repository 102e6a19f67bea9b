"""The programs here run in environments of their own (test_clients.py starts them), never in this one."""

collect_ignore_glob = ["*_program.py", "node_modules"]
