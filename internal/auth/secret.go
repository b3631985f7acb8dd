package auth

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"regexp"
	"strings"
)

// A secret is "PREFIX_ID_KEY": the prefix lets leak scanners find it and keeps the two kinds apart, the id names the row
// in lists and logs, the key is 256 random bits.
const (
	tokenPrefix   = "aos_"
	sessionPrefix = "ses_"

	idLength  = 8  // 40 bits
	keyLength = 52 // 256 bits
	// secretLength is the length of every secret of either kind.
	secretLength = 4 + idLength + 1 + keyLength
)

// digest identifies a secret without being one: 256 random bits cannot be guessed back from it.
type digest [sha256.Size]byte

func (d digest) String() string { return hex.EncodeToString(d[:]) }

func newSecret(prefix string) (secret, id string) {
	id = randomText(5)
	return prefix + id + "_" + randomText(32), id
}

var lowerBase32 = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

var idPattern = regexp.MustCompile(`^[a-z2-7]{8}$`)

func randomText(bytes int) string {
	b := make([]byte, bytes)
	rand.Read(b) // never fails: it ends the process instead
	return lowerBase32.EncodeToString(b)
}

// wellFormed refuses what cannot be a secret of this kind, so that noise costs neither a hash nor a look-up.
func wellFormed(secret, prefix string) bool {
	return len(secret) == secretLength && strings.HasPrefix(secret, prefix) && secret[len(prefix)+idLength] == '_'
}

// idOf and keyOf cut a well-formed secret; prefixes have the same length.
func idOf(secret string) string { return secret[len(tokenPrefix) : len(tokenPrefix)+idLength] }

func keyOf(secret string) string { return secret[secretLength-keyLength:] }

// hashSecret is of the key alone, which is short enough for one block of sha256. It does not allocate: the copy stays on
// the stack.
func hashSecret(secret string) digest {
	var buf [keyLength]byte
	copy(buf[:], keyOf(secret))
	return sha256.Sum256(buf[:])
}
