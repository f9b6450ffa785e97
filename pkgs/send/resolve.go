// SPDX-License-Identifier: Apache-2.0

package send

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strconv"
)

// Family says over which of the two internet protocols to knock.
type Family uint8

// The families.
const (
	BothFamilies Family = iota
	IPv4
	IPv6
)

// Has tells whether an address is of the family.
func (f Family) Has(a netip.Addr) bool {
	return f == BothFamilies || (f == IPv4) == a.Is4()
}

// Resolve returns where to knock at: the first address of each family that host has, then the
// literals, each once. Host may be a name, an address or empty. A name that cannot be resolved is
// an error only if there is no literal to go by.
func Resolve(ctx context.Context, host string, literals []netip.Addr, f Family) ([]netip.Addr, error) {
	var found []netip.Addr
	add := func(a netip.Addr) {
		if a = a.Unmap(); f.Has(a) && !slices.Contains(found, a) {
			found = append(found, a)
		}
	}
	var failed error
	if host != "" {
		names, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		failed = err
		for _, family := range []Family{IPv4, IPv6} {
			i := slices.IndexFunc(names, func(a netip.Addr) bool { return family.Has(a.Unmap()) })
			if i >= 0 {
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
		failed = fmt.Errorf("look up %q: %w", host, unwrapDNS(failed))
		if runtime.GOOS == "android" {
			return nil, withHint(failed, "Android tells no name servers to programs like this: use an address, or a link with one")
		}
		return nil, failed
	}
	what := "the link"
	if host != "" {
		what = strconv.Quote(host)
	}
	switch f {
	case IPv4:
		return nil, fmt.Errorf("%s has no IPv4 address", what)
	case IPv6:
		return nil, fmt.Errorf("%s has no IPv6 address", what)
	}
	return nil, fmt.Errorf("%s has no address", what)
}

// unwrapDNS leaves out of a resolver's error the name, which is in our text already.
func unwrapDNS(err error) error {
	var dns *net.DNSError
	if errors.As(err, &dns) && dns.Err != "" {
		return errors.New(dns.Err)
	}
	return err
}
