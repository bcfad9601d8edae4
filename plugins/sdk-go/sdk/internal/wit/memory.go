package wit

import (
	"runtime"
	"unsafe"
)

// Allocate gives memory that stays where it is until `pinner` lets it go.
//
// The size need not be a multiple of the alignment: the bindings ask for such areas.
func Allocate(pinner *runtime.Pinner, size, align uintptr) unsafe.Pointer {
	if size == 0 {
		return nil
	}
	if align == 0 || align > 8 {
		panic("memory is asked for with an alignment that no type of the contract has")
	}
	// Whole words are aligned for all of them, and hold no pointers of Go.
	pointer := unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+7)/8)))
	pinner.Pin(pointer)
	return pointer
}

// What the host handed over and nobody took up yet.
var given runtime.Pinner

// Unpin leaves what the host handed over to the garbage collector: of that, what the plugin still refers to stays. It
// may be called whenever no call to the host is running.
func Unpin() { given.Unpin() }

//go:wasmexport cabi_realloc
func cabiRealloc(old unsafe.Pointer, oldSize, align, size uintptr) unsafe.Pointer {
	if old != nil || oldSize != 0 {
		panic("the host does not let lists grow")
	}
	return Allocate(&given, size, align)
}

// Handle names something of the host. Zero: it was given away.
type Handle struct{ value int32 }

// MakeHandle is the handle of a number that the host gave.
func MakeHandle(value int32) *Handle {
	handle := &Handle{}
	handle.Set(value)
	return handle
}

// Set is the opposite of Take.
func (h *Handle) Set(value int32) {
	if value == 0 || h.value != 0 {
		panic("a handle is set twice, or to nothing")
	}
	h.value = value
}

// Use is the number of a handle that is still there.
func (h *Handle) Use() int32 {
	if h.value == 0 {
		panic("it is used after it was dropped or given away")
	}
	return h.value
}

// Take gives the handle away.
func (h *Handle) Take() int32 {
	value := h.Use()
	h.value = 0
	return value
}

// TakeOrNil is Take for one that may be gone: then it is zero.
func (h *Handle) TakeOrNil() int32 {
	value := h.value
	h.value = 0
	return value
}
