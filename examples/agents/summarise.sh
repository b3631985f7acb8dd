#!/bin/sh
# Summarises one text: its headings, its first paragraph and its most frequent words. Arguments: path.
. "${0%/*}/lib.sh"

use_file
is_text || fail 'not a text file' path "$path"
# shellcheck disable=SC2016
result=$(awk "$json_awk"'
    BEGIN {
        split("about after also because been before being both cannot could does done each else even every from have here however into itself just like made make many more most must only other over same should some such than that their them then there these they this those through under until upon used uses using very were what when where which while will with without would your", common, " ")
        for (i in common) skip[common[i]] = 1
    }
    { sub(/\r$/, "") }
    /^```/ { code = !code; next }
    code { next }
    /^#+[ \t]/ {
        heading = $0
        gsub(/^#+[ \t]+|[ \t#]+$/, "", heading)
        if (++headings <= 10) list = list (headings > 1 ? "," : "") json(substr(heading, 1, 120))
        next
    }
    /^[ \t]*$/ { if (paragraph != "") complete = 1; next }
    !complete && length(paragraph) < 400 && $0 !~ /^(<|!\[|---|===|\|)/ { sub(/^[ \t]+/, ""); paragraph = paragraph (paragraph == "" ? "" : " ") $0 }
    {
        words = split(tolower($0), word, /[^a-z\200-\377]+/)
        for (i = 1; i <= words; i++) if (length(word[i]) > 3 && length(word[i]) < 40 && !(word[i] in skip)) count[word[i]]++
    }
    END {
        if (length(paragraph) > 400) { paragraph = substr(paragraph, 1, 400); sub(/ [^ ]*$/, " ...", paragraph) }
        for (n = 1; n <= 8; n++) {
            best = ""
            for (w in count) if (best == "" || count[w] > count[best] || count[w] == count[best] && w < best) best = w
            if (best == "") break
            top = top (n > 1 ? "," : "") "{\"word\":" json(best) ",\"count\":" count[best] "}"
            delete count[best]
        }
        printf "{\"headings\":%d,\"first_headings\":[%s],\"first_paragraph\":%s,\"top\":[%s],\"path\":%s}\n",
            headings, list, json(paragraph), top, json(ENVIRON["AGENTOS_ARG_PATH"])
    }' <"$file")
log info summarised path "$path"
record "$result"
printf '%s\n' "$result"
