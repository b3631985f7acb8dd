package strictyaml

// Nearest returns the one of known that word was probably meant to be, or "". Synonyms maps what other tools call a thing to what
// it is called here.
func Nearest(word string, known []string, synonyms map[string]string) string {
	if len(word) > 64 {
		return ""
	}
	best, bestDistance := "", 3 // two slips of the finger, or one in a short word
	for _, k := range known {
		if synonyms[word] == k {
			return k
		}
		if d := distance(word, k); d < bestDistance && d < len(k)-1 {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance counts the letters to insert, remove or replace to turn a into b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replace := diagonal
			if a[i] != b[j] {
				replace++
			}
			diagonal = row[j+1]
			row[j+1] = min(replace, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
