// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// maxConfig bounds what is read of a configuration file, in bytes.
const maxConfig = 1 << 20

// openInput opens a file that the command line names; "-" is standard input, if there is one in e.
func openInput(e env, name string) (io.ReadCloser, error) {
	if name == "-" && e.in != nil {
		return io.NopCloser(e.in), nil
	}
	return os.Open(name)
}

// shownName is what messages call such a file.
func shownName(name string) string {
	if name == "-" {
		return "standard input"
	}
	return name
}

// readInput reads a whole text that the command line names, as openInput does.
func readInput(e env, name string) (string, error) {
	r, err := openInput(e, name)
	if err != nil {
		return "", fmt.Errorf("configuration: %w", err)
	}
	defer r.Close()
	return readText(r, shownName(name))
}

// readConfig reads a configuration file.
func readConfig(path string) (string, error) { return readInput(env{}, path) }

// readRegular reads a file that a text names. Such a name may be anybody's: a device, or a pipe that
// nobody writes to, is refused without waiting for it.
func readRegular(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() {
		return "", fmt.Errorf("%s is no regular file", path)
	}
	return readText(f, path)
}

// readText reads up to maxConfig bytes. More of them are an error, which calls them name.
func readText(r io.Reader, name string) (string, error) {
	b, err := io.ReadAll(io.LimitReader(r, maxConfig+1))
	if err != nil {
		return "", fmt.Errorf("configuration: %w", err)
	}
	if len(b) > maxConfig {
		return "", fmt.Errorf("configuration %s is too long: the limit is %d bytes", name, maxConfig)
	}
	return string(b), nil
}
