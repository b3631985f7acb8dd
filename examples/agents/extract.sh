#!/bin/sh
# Lists the links and the notes to self (TODO, FIXME, XXX) in one file. Arguments: path.
. "${0%/*}/lib.sh"

use_file
is_text || fail 'not a text file' path "$path"
# shellcheck disable=SC2016
result=$(awk "$json_awk"'
    {
        rest = $0
        while (match(rest, /https?:\/\/[A-Za-z0-9][^][ \t\r"<>`|\\^{}()]*/)) {
            link = substr(rest, RSTART, RLENGTH)
            rest = substr(rest, RSTART + RLENGTH)
            sub(/[.,;:!?*_\047]+$/, "", link)
            links++
            if (!(link in seen) && distinct < 5000) {
                seen[link] = 1
                if (++distinct <= 10) linked = linked (distinct > 1 ? "," : "") json(substr(link, 1, 300))
            }
        }
        if (match($0, /(^|[^A-Za-z0-9_])(TODO|FIXME|XXX)([^A-Za-z0-9_]|$)/)) {
            note = substr($0, RSTART, 200)
            gsub(/^[^A-Z]+|[ \t\r]+$/, "", note)
            if (++notes <= 10) noted = noted (notes > 1 ? "," : "") "{\"line\":" NR ",\"text\":" json(note) "}"
        }
    }
    END {
        printf "{\"links\":%d,\"distinct_links\":%d,\"todos\":%d,\"first_links\":[%s],\"first_todos\":[%s],\"path\":%s}\n",
            links, distinct, notes, linked, noted, json(ENVIRON["AGENTOS_ARG_PATH"])
    }' <"$file")
log info 'looked for links and notes' path "$path"
record "$result"
printf '%s\n' "$result"
