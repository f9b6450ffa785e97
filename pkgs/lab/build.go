// SPDX-License-Identifier: Apache-2.0

package lab

import (
	"os"
	"os/exec"
	"path/filepath"
)

// Program builds a program of cmd in a folder, without what only debuggers need, and returns its path. On a machine
// without Go the variable LATCHKEY_PROGRAMS names the folder that has it already (testdata/guest).
func Program(name, folder string) (path string, err error) {
	if made := os.Getenv("LATCHKEY_PROGRAMS"); made != "" {
		return filepath.Join(made, name), nil
	}
	path = filepath.Join(folder, name)
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", path, filepath.Join(filepath.Dir(script()), "..", "cmd", name))
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	return path, Output(cmd)
}
