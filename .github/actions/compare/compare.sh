#!/usr/bin/env bash
# The comparison of action.yml, from its inputs in the environment. Exit code as of `parentage compare`.
set -euo pipefail

words=(compare --protected "$PROTECTED" --suspect "$SUSPECT" --out "$OUT")
[ -z "$CONTROLS" ] || words+=(--controls "$CONTROLS")
[ -z "$BASE" ] || words+=(--base "$BASE")
[ -z "$TIER" ] || words+=(--tier "$TIER")
[ -z "$MAX_COST" ] || words+=(--max-cost "$MAX_COST")
while IFS= read -r model; do
    [ -z "$model" ] || words+=(--alternative "$model")
done <<<"$ALTERNATIVES"
for finding in $FAIL_ON; do
    words+=(--fail-on "$finding")
done
while IFS= read -r word; do
    [ -z "$word" ] || words+=("$word")
done <<<"$MORE"

code=0
"$PARENTAGE" "${words[@]}" || code=$?

# The bundle of this run: the newest, as `compare` may have put others beside it before.
bundle=""
for folder in "$OUT"/cases/*/; do
    folder=${folder%/}
    [ -f "$folder/data/results/report.json" ] || continue
    if [ -z "$bundle" ] || [ "$folder/data/results/report.json" -nt "$bundle/data/results/report.json" ]; then
        bundle=$folder
    fi
done
if [ -n "$bundle" ]; then
    finding=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["finding"])' "$bundle/data/results/report.json")
    {
        echo "finding=$finding"
        echo "bundle=$bundle"
    } >>"$GITHUB_OUTPUT"
    {
        echo "## Parentage: \`$finding\`"
        echo
        "$PARENTAGE" report "$bundle" --format md | sed -n '2,40p'
    } >>"$GITHUB_STEP_SUMMARY"
fi
exit "$code"
