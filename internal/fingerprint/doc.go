// Package fingerprint groups failures: those of one cause get one key, whatever ids, times and paths they mention.
//
// What a program calls its failure itself comes first. Else a stack of Python, Go, Node, Java, Ruby, Rust or PHP is looked for
// (stack.go and a file for each family): the type of the exception and the innermost functions of the program's own code. Else it is
// the last line that says what went wrong, with what varies hidden (normalize.go).
//
// The rules have a version, which is part of each key: changed rules make other groups instead of dividing those that there are.
package fingerprint
