#!/bin/sh
# Walks the folder, a few files a run, and enqueues work on them for the other agents.
# Arguments: path, a folder (default all); batch, the number of files (default 4).
. "${0%/*}/lib.sh"

use_dir
batch=${AGENTOS_ARG_BATCH:-4}
number batch "$batch" 1 50
name=$(key "$path")
list=$data/list.$name     # one path a line, as a string of JSON without its quotes: no line breaks, any name
cursor=$data/cursor.$name # the line that was done last
at=0
[ ! -s "$cursor" ] || read -r at <"$cursor" || at=0
case $at in '' | *[!0-9]* | ??????????*) at=0 ;; esac
total=0
[ ! -f "$list" ] || total=$(($(wc -l <"$list")))

walked=false
if [ "$at" -ge "$total" ]; then
    log info 'walking the folder' folder "$root" path "$path"
    # A name that is not UTF-8 cannot be an argument: it is left out and counted.
    # shellcheck disable=SC2016
    files "$dir" -exec awk "$json_awk"'BEGIN {
        for (i = 1; i < ARGC; i++) { s = json(substr(ARGV[i], 3)); print substr(s, 2, length(s) - 2) }
    }' {} + >"$data/found" || log warn 'some folders cannot be read'
    sed '/\\ufffd/d' "$data/found" | sort >"$data/found.sorted"
    left_out=$(($(wc -l <"$data/found") - $(wc -l <"$data/found.sorted")))
    [ "$left_out" -eq 0 ] || log warn 'files are left out: their names are not UTF-8' files# "$left_out"
    sed 20000q "$data/found.sorted" >"$data/found"
    mv "$data/found" "$list"
    rm -f "$data/found.sorted"
    keep_newest 5 list.
    keep_newest 5 cursor.
    total=$(($(wc -l <"$list")))
    at=0
    walked=true
    log info 'found files' files# "$total"
fi
[ "$total" -gt 0 ] || log warn 'the folder has no files' path "$path"

first=$((at + 1)) last=$((at + batch))
[ "$last" -le "$total" ] || last=$total
sed -n "${first},${last}p" "$list" >"$data/batch"

# Who gets which file depends on its name. The jobs are spread over the time until the next run.
# shellcheck disable=SC2016
awk -v first="$first" '
    function add(agent, args) { jobs[++n] = "\"agent\":\"" agent "\",\"args\":{" args "}" }
    BEGIN {
        text = "\\.(md|markdown|txt|rst|adoc|org|tex|go|mod|js|mjs|ts|svelte|vue|jsx|tsx|css|scss|html|htm|xml|svg|json|yaml|yml|toml|ini|cfg|conf|sh|bash|py|rb|pl|lua|c|h|cc|cpp|hpp|rs|java|kt|swift|cs|php|sql|csv|tsv|log|tmpl|proto)$"
        prose = "\\.(md|markdown|txt|rst|adoc|org|html|htm)$"
    }
    {
        name = tolower($0)
        file = "\"path\":\"" $0 "\""
        number = first + NR - 1
        add("hash", file)
        if (name ~ text || name !~ /[^\/]\.[^.\/]*$/) {
            add("count", file)
            add("extract", file)
            if (name ~ prose) add("summarise", file)
            if (number % 3 == 0) add("flaky", file)
            if (NR == 1) {
                dir = $0
                if (!sub(/\/[^\/]*$/, "", dir)) dir = "."
                add("index", "\"path\":\"" dir "\"")
            }
        }
        if (number % 2 == 0) add("compress", file)
    }
    END {
        for (i = 1; i <= n; i++) printf "{\"enqueue\":{%s,\"delay\":\"%ds\"}}\n", jobs[i], (i - 1) * 8 / n
    }' "$data/batch" >"$data/jobs"
cat "$data/jobs" >&2
jobs=$(($(wc -l <"$data/jobs")))
echo "$last" >"$cursor"
log info 'asked for work on the next files' files# "$((last - at))" jobs# "$jobs" from# "$first" to# "$last" of# "$total"
object files# "$((last - at))" jobs# "$jobs" from# "$first" to# "$last" of# "$total" walked# "$walked"
