# The SDK of Python workers by itself: workers/flowtts_worker.py.
python3 "$SOURCE_DIR/tests/workers/sdk_test.py"
