// Command build compiles the plugin of the current folder: `go run anabranch/plugin/build -o build.wasm`.
//
// It calls `go build` with what a plugin needs, and says in the module which contract it is for, since Go's linker
// takes no such section.
package main

import (
	_ "embed"
	"flag"
	"fmt"
	"os"
	"os/exec"
)

// A custom section of WebAssembly, whole: which world of wit/merge.wit the module has.
//
//go:embed component-type.section
var componentType []byte

func main() {
	output := flag.String("o", "build.wasm", "the file to write")
	flag.Parse()
	if err := build(*output); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

func build(output string) error {
	// A reactor: it is called, and does not run by itself.
	command := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", output, ".")
	command.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	command.Stdout, command.Stderr = os.Stdout, os.Stderr
	if err := command.Run(); err != nil {
		return err
	}
	module, err := os.OpenFile(output, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	if _, err := module.Write(componentType); err != nil {
		module.Close()
		return err
	}
	return module.Close()
}
