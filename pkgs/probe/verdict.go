// SPDX-License-Identifier: Apache-2.0

package probe

// answer is what came back for a SYN.
type answer uint8

const (
	silent   answer = iota // nothing in time, or that there is no way to the host
	accepted               // a service answered
	late                   // a service answered, but its answer of before the knock could not have come in time
	refused                // a reset: by the service's host, or by a router that rejects
	unsent                 // this machine could not send
)

// Verdict is what is known of a door after a knock.
type Verdict string

// The verdicts, in the order in which they count where a door has several addresses.
const (
	Open     Verdict = "open"            // silent or refused before the knock, accepted after it
	Answered Verdict = "answered-before" // accepted before the knock: at home, or open already
	Refuses  Verdict = "refused"         // silent before, refused after it: the door is open, its service is not there
	Unclear  Verdict = "cannot-tell"     // refused before, not accepted after it: what refuses may be the router; or too slow to know
	NoAnswer Verdict = "no-answer"       // silent before and after it
	Offline  Verdict = "offline"         // nothing could be sent
)

func verdicts() []Verdict { return []Verdict{Open, Answered, Refuses, Unclear, NoAnswer, Offline} }

// judge compares what one address answered before a knock and, if anything, after it.
func judge(before, after answer) Verdict {
	switch {
	case before == accepted:
		return Answered
	case before == unsent && after == unsent:
		return Offline
	case before == unsent:
		return Unclear // nobody knows what was before
	case after == accepted, after == late && before == refused:
		return Open
	case before == refused, after == late:
		return Unclear
	case after == refused:
		return Refuses
	}
	return NoAnswer
}
