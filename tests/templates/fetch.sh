#!/usr/bin/env bash
# Puts e-mail templates of others where tests/templates.rs looks for them: tests/templates/fetch.sh FOLDER
#
# Foundation for Emails as its npm package ships it (compiled templates, their sources, its visual tests;
# their `#` become links to a shop), and the documents of tests/templates/mjml compiled by MJML. Needs npm
# and its registry, writes below FOLDER only, and does nothing when that has all of it already.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:?"expected a folder"}

FOUNDATION=2.5.1
MJML=5.4.1

stamp="$FOUNDATION $MJML $(cat "$here"/mjml/*.mjml "$here/fetch.sh" | cksum)"
[[ -f $folder/complete && $(< "$folder/complete") == "$stamp" ]] && exit 0

mkdir -p "$folder/npm"
rm -rf "$folder/html" "$folder/complete"
mkdir "$folder/html"
npm install --prefix "$folder/npm" --no-save --no-audit --no-fund --ignore-scripts --loglevel=error \
    "foundation-emails@$FOUNDATION" "mjml@$MJML"

package=$folder/npm/node_modules/foundation-emails
for kind in compiled=.templates sources=templates visual=test/visual/pages; do
    for template in "$package/${kind#*=}"/*.html; do
        sed 's|href="#"|href="https://shop.example/p?a=1\&amp;b=2"|' "$template" > "$folder/html/foundation-${kind%=*}-${template##*/}"
    done
done

"$folder/npm/node_modules/.bin/mjml" --read "$here"/mjml/*.mjml --output "$folder/html" \
    --config.allowIncludes true
echo "$stamp" > "$folder/complete"
