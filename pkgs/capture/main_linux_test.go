// SPDX-License-Identifier: Apache-2.0

package capture

import (
	"os"
	"testing"

	"github.com/latchkey/latchkey/pkgs/lab"
)

func TestMain(m *testing.M) { os.Exit(lab.Main(m)) }
