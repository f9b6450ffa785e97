// SPDX-License-Identifier: Apache-2.0

package send

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"

	"github.com/latchkey/latchkey/pkgs/resolver"
)

// Family says over which of the two internet protocols to knock.
type Family uint8

// The families.
const (
	BothFamilies Family = iota
	IPv4
	IPv6
)

// has reports whether an address is of the family.
func (f Family) has(a netip.Addr) bool {
	return f == BothFamilies || (f == IPv4) == a.Is4()
}

// Resolve returns where to knock at: the first address of each family that host has, then the
// literals, each once. Host may be a name, an address or empty. A name that cannot be resolved is
// an error only if there is no literal to go by.
func Resolve(ctx context.Context, host string, literals []netip.Addr, f Family) ([]netip.Addr, error) {
	var found []netip.Addr
	add := func(a netip.Addr) {
		if a = a.Unmap(); f.has(a) && !slices.Contains(found, a) {
			found = append(found, a)
		}
	}
	var failed error
	if host != "" {
		names, err := Lookup(ctx, host, f)
		failed = err
		for _, family := range []Family{IPv4, IPv6} {
			if i := slices.IndexFunc(names, family.has); i >= 0 {
				add(names[i])
			}
		}
	}
	for _, a := range literals {
		add(a)
	}
	switch {
	case len(found) > 0:
		return found, nil
	case failed != nil:
		return nil, failed
	}
	return nil, noAddress("the link", f)
}

// Lookup returns the addresses of a name; without one it is an error.
func Lookup(ctx context.Context, host string, f Family) ([]netip.Addr, error) {
	names, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		known, _ := errors.AsType[*net.DNSError](err)
		failed := fmt.Errorf("look up %q: %w", host, unwrapDNS(err))
		switch {
		case resolver.Missing():
			return nil, withHint(failed, "in Termux: pkg install resolv-conf; or use an address, or a link with one")
		case known != nil && known.IsNotFound || ctx.Err() != nil:
			return nil, failed
		}
		return nil, withHint(failed, "is this machine online? Where names cannot be looked up, use an address, or a link with one")
	}
	var found []netip.Addr
	for _, a := range names {
		if a = a.Unmap(); f.has(a) {
			found = append(found, a)
		}
	}
	if len(found) == 0 {
		return nil, noAddress(strconv.Quote(host), f)
	}
	return found, nil
}

func noAddress(what string, f Family) error {
	switch f {
	case IPv4:
		return fmt.Errorf("%s has no IPv4 address", what)
	case IPv6:
		return fmt.Errorf("%s has no IPv6 address", what)
	}
	return fmt.Errorf("%s has no address", what)
}

// unwrapDNS leaves out of a resolver's error the name, which is in our text already.
func unwrapDNS(err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.Err != "" {
		return errors.New(dns.Err)
	}
	return err
}
