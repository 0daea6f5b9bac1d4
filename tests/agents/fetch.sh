#!/usr/bin/env bash
# Puts the sample agents of the crawler-user-agents data set where tests/agents.rs looks for them:
# tests/agents/fetch.sh FOLDER
#
# Needs Python with pip and its registry, writes below FOLDER only, and does nothing when it is all there already.
set -euo pipefail
folder=${1:?"expected a folder"}

VERSION=1.67.0

[[ -f $folder/complete && $(< "$folder/complete") == "$VERSION" ]] && exit 0

mkdir -p "$folder"
rm -rf "$folder/complete" "$folder/package"
python3 -m pip install --quiet --disable-pip-version-check --no-deps --target "$folder/package" "crawler-user-agents==$VERSION"
cp "$folder/package/crawleruseragents/crawler-user-agents.json" "$folder/crawlers.json"
echo "$VERSION" > "$folder/complete"
