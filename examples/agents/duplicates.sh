#!/bin/sh
# Finds files with the same content. Arguments: path, a folder (default all); limit, how many files to compare (default 300).
. "${0%/*}/lib.sh"

use_dir
limit=${AGENTOS_ARG_LIMIT:-300}
number limit "$limit" 2 5000
rm -rf "$data"/part.* # what an attempt that was killed left behind: this agent runs one at a time
work=$data/part.$AGENTOS_RUN_ID
trap 'rm -rf "$work"' EXIT
trap 'exit 1' INT TERM HUP
mkdir "$work"

# Only files of the same size can be equal. Names with a line break are left out: find has no way to list them safely.
files "$dir" ! -size 0 ! -path "*$newline*" -exec wc -c {} + >"$work/sizes" || log warn 'some files cannot be read'
awk '{ sub(/^ */, ""); size = $1; name = substr($0, length(size) + 2); if (name ~ /\//) print size, name }' "$work/sizes" | sort -n >"$work/sorted"
awk 'NR == FNR { count[$1]++; next } count[$1] > 1' "$work/sorted" "$work/sorted" >"$work/candidates"
found=$(($(wc -l <"$work/sorted"))) candidates=$(($(wc -l <"$work/candidates")))
log info 'comparing files of equal size' files# "$found" candidates# "$candidates" limit# "$limit"

done=0
while [ "$done" -lt "$limit" ] && IFS=' ' read -r bytes name; do
    done=$((done + 1))
    [ $((done % 50)) -ne 0 ] || printf '{"progress":%d.%02d}\n' $((done * 100 / candidates / 100)) $((done * 100 / candidates % 100)) >&2
    sum=$({ sha256 <"$name"; } 2>/dev/null) || continue # gone or not readable
    printf '%s %s %s\n' "$sum" "$bytes" "$name"
done <"$work/candidates" | sort >"$work/sums"

# shellcheck disable=SC2016
result=$(awk -v found="$found" -v candidates="$candidates" -v limit="$limit" "$json_awk"'
    function end() {
        if (copies < 2) return
        groups++
        files += copies
        wasted += (copies - 1) * bytes
        if (groups <= 10) list = list (list == "" ? "" : ",") "{\"bytes\":" bytes ",\"files\":[" names "]}"
    }
    {
        if ($1 != sum) { end(); sum = $1; copies = 0; names = "" }
        copies++
        bytes = $2
        name = substr($0, length($1) + length($2) + 3)
        if (copies <= 10) names = names (names == "" ? "" : ",") json(substr(name, 3))
    }
    END {
        end()
        printf "{\"groups\":%d,\"files\":%d,\"wasted_bytes\":%.0f,\"searched\":%d,\"compared\":%d,\"complete\":%s,\"first\":[%s],\"path\":%s}\n",
            groups, files, wasted, found, NR, (candidates <= limit ? "true" : "false"), list, json(ENVIRON["path"])
    }' "$work/sums")
log info 'compared files' path "$path"
record "$result"
printf '%s\n' "$result"
