#!/usr/bin/env bash
# Puts judges of HTTP answers where tests/judges.rs looks for them: tests/judges/fetch.sh FOLDER
#
# httplint and REDbot, in a Python environment of their own. Needs Python with venv, pip and its registry, writes below
# FOLDER only, and does nothing when it is all there already.
set -euo pipefail
folder=${1:?"expected a folder"}

HTTPLINT=2026.10.4
REDBOT=2.7.1

stamp="$HTTPLINT $REDBOT"
[[ -f $folder/complete && $(< "$folder/complete") == "$stamp" ]] && exit 0

mkdir -p "$folder"
rm -f "$folder/complete"
python3 -m venv "$folder"
"$folder/bin/pip" install --quiet --disable-pip-version-check "httplint==$HTTPLINT" "redbot==$REDBOT"
echo "$stamp" > "$folder/complete"
