// SPDX-License-Identifier: Apache-2.0

package site

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// bundle returns one script made of a file of the folder and all that it imports, the decoder from npm included. What npm
// brought is what package-lock.json names: `npm ci` compares its SHA-512. Without that, the error is fs.ErrNotExist.
func bundle(ctx context.Context, folder, file string, options ...string) (string, error) {
	program := filepath.Join("node_modules", ".bin", "esbuild")
	if _, err := os.Stat(filepath.Join(folder, program)); err != nil {
		return "", fmt.Errorf("%w (hint: make site-parts)", err)
	}
	args := append([]string{file, "--bundle", "--format=iife", "--charset=utf8", "--target=es2022", "--legal-comments=inline", "--log-level=warning"}, options...)
	cmd := exec.CommandContext(ctx, "."+string(filepath.Separator)+program, args...)
	cmd.Dir = folder
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("bundle %s: %w: %s", file, err, strings.TrimSpace(said.String()))
	}
	return string(out), nil
}
