#!/bin/sh
# Puts together what the other agents found, from the results they keep, into report.md in its work folder.
# Each keeps its results of the last 1000 to 1500 jobs of the queue.
. "${0%/*}/lib.sh"

rm -f "$data"/part.* # what an attempt that was killed left behind: this agent runs one at a time
others=${data%/*}
set --
for agent in hash count extract compress summarise flaky duplicates index; do
    for file in "$others/$agent"/record.*; do
        [ ! -f "$file" ] || set -- "$@" "$file"
    done
done
log info 'reading what the others found' files# "$#"
[ $# -gt 0 ] || set -- /dev/null # at the very beginning there is nothing

# A result is one flat line of JSON that ends in its path. The last one of a path counts.
# shellcheck disable=SC2016
result=$(awk -v report="$data/part.$AGENTOS_RUN_ID" "$json_awk"'
    function value(key) {
        if (!match($0, "\"" key "\":[0-9]+")) return 0
        return substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 3) + 0
    }
    function text(key) {
        if (!match($0, "\"" key "\":\"[^\"]*\"")) return ""
        return substr($0, RSTART + length(key) + 4, RLENGTH - length(key) - 5)
    }
    FNR == 1 { agent = FILENAME; sub(/\/[^\/]*$/, "", agent); sub(/.*\//, "", agent) }
    {
        at = 0
        rest = $0
        while (i = index(rest, "\"path\":\"")) { at += i; rest = substr(rest, i + 1) }
        if (!at) next # cut off
        path = substr($0, at + 8, length($0) - at - 9)
        results[agent]++
        if (agent == "hash") { bytes[path] = value("bytes"); sum[path] = text("sha256") }
        if (agent == "count") { lines[path] = value("lines"); words[path] = value("words") }
        if (agent == "extract") { links[path] = value("links"); todos[path] = value("todos") }
        if (agent == "compress") { whole[path] = value("bytes"); packed[path] = value("packed_bytes") }
        if (agent == "duplicates") { groups = value("groups"); wasted = value("wasted_bytes"); compared = 1 }
    }
    END {
        for (p in bytes) { files++; all_bytes += bytes[p]; if (bytes[p] >= most_bytes) { most_bytes = bytes[p]; largest = p }; if (copies[sum[p]]++ == 1) equal++ }
        for (p in lines) { counted++; all_lines += lines[p]; all_words += words[p]; if (lines[p] >= most_lines) { most_lines = lines[p]; longest = p } }
        for (p in links) { looked++; all_links += links[p]; all_todos += todos[p]; if (todos[p] >= most_todos) { most_todos = todos[p]; busiest = p } }
        for (p in whole) { pressed++; all_whole += whole[p]; all_packed += packed[p] }
        print "# What the fleet found\n" >report
        printf "- %d files hashed, %.0f bytes; contents found more than once: %d\n", files, all_bytes, equal >report
        if (files) printf "- largest: %s, %.0f bytes\n", largest, most_bytes >report
        printf "- %d files counted: %.0f lines, %.0f words\n", counted, all_lines, all_words >report
        if (counted) printf "- longest: %s, %d lines\n", longest, most_lines >report
        printf "- %d files searched: %d links, %d notes to self\n", looked, all_links, all_todos >report
        if (all_todos) printf "- most notes to self: %s, %d\n", busiest, most_todos >report
        if (all_whole) printf "- %d files compressed, to %.1f %%\n", pressed, all_packed * 100 / all_whole >report
        if (compared) printf "- last search for duplicates: %d groups, %.0f bytes could be saved\n", groups, wasted >report
        close(report)
        for (a in results) n += results[a]
        printf "{\"results\":%d,\"files\":%d,\"bytes\":%.0f,\"lines\":%.0f,\"words\":%.0f,\"links\":%d,\"todos\":%d,\"duplicate_groups\":%s,\"percent_after_compression\":%s}\n",
            n, files, all_bytes, all_lines, all_words, all_links, all_todos, (compared ? groups + 0 : "null"), (all_whole ? sprintf("%.1f", all_packed * 100 / all_whole) : "null")
    }' "$@")
mv "$data/part.$AGENTOS_RUN_ID" "$data/report.md"
log info 'wrote the report' file "$data/report.md"
printf '%s\n' "$result"
