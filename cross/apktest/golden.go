// SPDX-License-Identifier: Apache-2.0

package apktest

import (
	"embed"
	"testing"
)

//go:embed testdata
var testdata embed.FS

// Golden returns a file that apk-tools 3.0.6 made, or wrote of one.
func Golden(t testing.TB, name string) []byte {
	t.Helper()
	b, err := testdata.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
