// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/binary"
	"net"
	"sync/atomic"
	"time"
)

// drift is by how much the guest's oscillator is slow, in parts per million: so much the time
// server's clock runs faster.
const drift = 80

// truth is the time by the time server, whatever the guest's wall clock says.
func truth() time.Time {
	up := uptime()
	return time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC).Add(up + up*drift/1_000_000)
}

// timeServer answers by SNTP (RFC 4330) while it is not silent.
type timeServer struct {
	silent  atomic.Bool
	answers atomic.Int64
	last    atomic.Int64 // uptime of the last answer
}

func (s *timeServer) listen() error {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 123})
	if err != nil {
		return err
	}
	go func() {
		b := make([]byte, 512)
		for {
			n, from, err := c.ReadFromUDP(b)
			if err != nil {
				return
			}
			if n < 48 || s.silent.Load() {
				continue
			}
			c.WriteToUDP(answer(b[:48]), from)
			s.answers.Add(1)
			s.last.Store(int64(uptime()))
		}
	}()
	return nil
}

// answer is the server's to a question of 48 bytes.
func answer(question []byte) []byte {
	now := ntpTime(truth())
	b := make([]byte, 48)
	b[0] = 4<<3 | 4                         // version 4, server
	b[1] = 2                                // stratum
	b[2] = question[2]                      // poll
	b[3] = 0xec                             // precision: 2^-20 s
	binary.BigEndian.PutUint32(b[4:], 1<<6) // root delay, in 2^-16 s
	binary.BigEndian.PutUint32(b[8:], 1<<6) // root dispersion
	copy(b[12:16], "TEST")                  // reference
	binary.BigEndian.PutUint64(b[16:], now) // set
	copy(b[24:32], question[40:48])         // the client's time
	binary.BigEndian.PutUint64(b[32:], now) // received
	binary.BigEndian.PutUint64(b[40:], now) // sent
	return b
}

// ntpTime is a time in seconds since 1900, times 2^32.
func ntpTime(t time.Time) uint64 {
	seconds := uint64(t.Unix()) + 2_208_988_800
	return seconds<<32 | uint64(t.Nanosecond())<<32/1_000_000_000
}
