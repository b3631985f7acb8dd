#!/bin/sh
# Indexes the words of the text files of one folder, without the folders in it: which word is how often in which file.
# Keeps the 30 newest indexes of at most 5000 lines. Arguments: path.
. "${0%/*}/lib.sh"

use_dir
index=$data/index.$(key "$path")
# A line of the index is: word TAB count TAB file.
# shellcheck disable=SC2016
find "$dir/." ! -name . -prune -type f ! -name '.?*' -size -513 -exec awk "$json_awk"'
    FNR == 1 { name = FILENAME; sub(/.*\/\.\//, "", name); name = json(name); binary = 0; files++ }
    /[\001-\010\016-\032]/ { skip[name] = binary = 1 }
    binary || files > 200 { next }
    {
        words = split(tolower($0), word, /[^a-z0-9_\200-\377]+/)
        for (i = 1; i <= words; i++) if (length(word[i]) > 2 && length(word[i]) < 40 && word[i] !~ /^[0-9_]+$/) count[word[i] "\t" name]++
    }
    END {
        for (key in count) {
            tab = index(key, "\t")
            if (!(substr(key, tab + 1) in skip)) print substr(key, 1, tab - 1) "\t" count[key] "\t" substr(key, tab + 1)
        }
    }' {} + >"$data/part.$AGENTOS_RUN_ID" || log warn 'some files cannot be read' path "$path"

# shellcheck disable=SC2016
result=$(awk -F '\t' "$json_awk"'
    { words += $2; sum[$1] += $2; if (!($3 in seen)) { seen[$3] = 1; files++ } }
    END {
        for (word in sum) distinct++
        for (n = 1; n <= 10 && n <= distinct; n++) {
            best = ""
            for (word in sum) if (best == "" || sum[word] > sum[best] || sum[word] == sum[best] && word < best) best = word
            top = top (n > 1 ? "," : "") "{\"word\":" json(best) ",\"count\":" sum[best] "}"
            delete sum[best]
        }
        printf "{\"files\":%d,\"words\":%d,\"distinct_words\":%d,\"top\":[%s],\"path\":%s}\n",
            files, words, distinct, top, json(ENVIRON["path"])
    }' <"$data/part.$AGENTOS_RUN_ID")
sort -t "	" -k 2,2nr -k 1,1 "$data/part.$AGENTOS_RUN_ID" | sed 5000q | sort >"$data/part.$AGENTOS_RUN_ID.sorted"
mv "$data/part.$AGENTOS_RUN_ID.sorted" "$index"
rm -f "$data"/part.*
keep_newest 30 index.
log info indexed path "$path"
record "$result"
printf '%s\n' "$result"
