// SPDX-License-Identifier: Apache-2.0

// Package command has the main function that the commands of cross/ share.
package command

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
)

// Usage is an error: the command was called in another way than this text says.
type Usage string

func (u Usage) Error() string { return string(u) }

// Main runs the command of that name in the folder of go.mod, until it is
// interrupted. It ends the process with status 1 on an error, and 2 on a Usage.
func Main(name string, run func(ctx context.Context) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	switch usage := Usage(""); {
	case errors.As(err, &usage):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	case err != nil:
		fmt.Fprintf(os.Stderr, "%s: error: %v\n", name, err)
		os.Exit(1)
	}
}
