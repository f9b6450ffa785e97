// SPDX-License-Identifier: Apache-2.0

package main

import "embed"

// completions are scripts for shells, by the shell's name.
//
//go:embed completion
var completions embed.FS
