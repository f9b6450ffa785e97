// SPDX-License-Identifier: Apache-2.0

package main

import (
	"crypto/rand"
	"encoding/base64"
	"fmt"
	mathrand "math/rand/v2"
	"strings"

	"github.com/latchkey/latchkey/pkgs/seal"
)

// Ports of the router. What a sequence has is in newHousehold, and lies below.
const (
	// doorPort is that of door web in testdata/router.nft; further doors follow it.
	doorPort  = 8443
	slotsBase = 20480
	stunPort  = 41641
	spaPort   = 62201 // fwknopd's default
)

// grant is longer than a trial, and short so that no limit on grants is met.
const grant = "3s"

// household is what a router is configured with: people, each with a door, a sequence and a client, and
// some with a client of fwknop.
type household struct {
	people []person
	radar  bool // whether latchkeyd samples what strangers try, as it does if nobody says anything
}

// person knocks with any of these. The first has door web, which is the one that is tried.
type person struct {
	door      string
	steps     [3]uint16
	key       seal.Key
	spa, hmac string // base64; of a fwknop client, "" if there is none
}

// The first fwknopClients people have a client of fwknop: each costs an HMAC for every packet that could be
// genuine.
const fwknopClients = 3

// newHousehold makes those who knock in trials, who share door web, and one more for each further door, of
// at most 200. Their sequences are in no order, so that no port of them is reached by counting, and no step
// is beside another.
func newHousehold(doors int) *household {
	h := &household{radar: true}
	ports := mathrand.New(mathrand.NewPCG(1, 2)).Perm(650)
	for i := range knockers + doors - 1 {
		p := person{door: "web"}
		if i >= knockers {
			p.door = fmt.Sprintf("door%d", i)
		}
		for s := range p.steps {
			p.steps[s] = uint16(1500 + 10*ports[3*i+s])
		}
		rand.Read(p.key[:])
		if i < fwknopClients {
			p.spa, p.hmac = secret(), secret()
		}
		h.people = append(h.people, p)
	}
	return h
}

// knockers is how many people knock in trials: latchkeyd takes 40 knocks of one client or sequence at once,
// and then one a second.
const knockers = 3

func secret() string {
	var b [32]byte
	rand.Read(b[:])
	return base64.StdEncoding.EncodeToString(b[:])
}

// config is latchkeyd's, for all kinds of knocks.
func (h *household) config() string {
	var b strings.Builder
	fmt.Fprintf(&b, `
config latchkey 'main'
	option enabled '1'
	list device 'wan'
	option stun_port '%d'
	option ports '%d-%d'
	option spa_port '%d'
	option radar '%d'
`, stunPort, slotsBase, slotsBase+24*256-1, spaPort, map[bool]int{true: 1}[h.radar])
	port := doorPort
	made := map[string]bool{}
	for i, p := range h.people {
		if !made[p.door] {
			fmt.Fprintf(&b, "\nconfig door '%s'\n\toption port '%d'\n\toption open_for '%s'\n", p.door, port, grant)
			made[p.door] = true
			port++
		}
		fmt.Fprintf(&b, "\nconfig sequence 'steps%d'\n\toption within '5s'\n\tlist door '%s'\n", i, p.door)
		for _, s := range p.steps {
			fmt.Fprintf(&b, "\tlist step '%d/tcp'\n", s)
		}
		fmt.Fprintf(&b, "\nconfig client 'phone%d'\n\toption key '%s'\n\tlist door '%s'\n", i, p.key.Text(), p.door)
		if p.spa != "" {
			fmt.Fprintf(&b, "\nconfig client 'tablet%d'\n\toption kind 'fwknop'\n\toption key '%s'\n\toption hmac_key '%s'\n\tlist door '%s'\n", i, p.spa, p.hmac, p.door)
		}
	}
	return b.String()
}
