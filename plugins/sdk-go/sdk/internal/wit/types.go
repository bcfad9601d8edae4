// Package wit holds what the generated bindings run over: types of the component model that Go lacks, handles, and the
// memory that passes between a plugin and its host.
package wit

// The tags of an Option.
const (
	OptionNone = 0
	OptionSome = 1
)

// Option is a value or none.
type Option[T any] struct {
	some  bool
	value T
}

// Some is an Option with a value.
func Some[T any](value T) Option[T] { return Option[T]{some: true, value: value} }

// None is an Option without one.
func None[T any]() Option[T] { return Option[T]{} }

// Tag is OptionNone or OptionSome.
func (o Option[T]) Tag() uint8 {
	if o.some {
		return OptionSome
	}
	return OptionNone
}

// Get is the value, and whether there is one.
func (o Option[T]) Get() (T, bool) { return o.value, o.some }

// Some is the value. It panics where there is none.
func (o Option[T]) Some() T {
	if !o.some {
		panic("there is no value")
	}
	return o.value
}

// The tags of a Result.
const (
	ResultOk  = 0
	ResultErr = 1
)

// Result is a value or an error.
type Result[T, E any] struct {
	failed bool
	value  T
	err    E
}

// Ok is a Result that went well.
func Ok[T, E any](value T) Result[T, E] { return Result[T, E]{value: value} }

// Err is a Result that did not.
func Err[T, E any](err E) Result[T, E] { return Result[T, E]{failed: true, err: err} }

// Tag is ResultOk or ResultErr.
func (r Result[T, E]) Tag() uint8 {
	if r.failed {
		return ResultErr
	}
	return ResultOk
}

// Ok is the value. It panics where there is none.
func (r Result[T, E]) Ok() T {
	if r.failed {
		panic("it is an error")
	}
	return r.value
}

// Err is the error. It panics where there is none.
func (r Result[T, E]) Err() E {
	if !r.failed {
		panic("it is no error")
	}
	return r.err
}

// Unit is a value that says nothing.
type Unit struct{}

// Tuple2 is two values.
type Tuple2[A, B any] struct {
	F0 A
	F1 B
}
