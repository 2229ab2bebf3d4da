# docs/stages.md and configs/pipeline.schema.json say what the command says.
stale() {
  echo "$1 is stale: run scripts/generate and commit what it writes"
  exit 1
}
"$FLOWTTS" describe --markdown | diff "$SOURCE_DIR/docs/stages.md" - || stale docs/stages.md
"$FLOWTTS" schema | diff "$SOURCE_DIR/configs/pipeline.schema.json" - ||
  stale configs/pipeline.schema.json
