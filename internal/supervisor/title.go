package supervisor

import (
	"os"
	"syscall"
	"unsafe"
)

// titleRoom is how many bytes of its arguments a supervisor has for what ps shows.
const titleRoom = 100

// title is what lists of processes show: a name, of which Linux keeps 15 bytes, and the last argument.
type title struct{ name int }

func newTitle() title { return title{openName()} }

func (t title) set(name, argument string) {
	if t.name >= 0 {
		_, _ = syscall.Write(t.name, []byte(name))
	}
	setArgument(argument)
}

// setArgument replaces the last argument. An argument of Go's is the memory in which the kernel handed it over and looks for it.
func setArgument(title string) {
	if len(os.Args) < 3 || len(os.Args[2]) != titleRoom {
		return
	}
	room := unsafe.Slice(unsafe.StringData(os.Args[2]), titleRoom)
	clear(room[copy(room, title):])
}
