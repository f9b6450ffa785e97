// SPDX-License-Identifier: Apache-2.0

// The ubus object "latchkey.network": what setting up a door takes from the router's network, and has
// nothing to do with knocks. latchkeyd itself resolves no name and opens no socket.

'use strict';

import { cursor } from 'uci';
import { readfile } from 'fs';
import { connect as ubus } from 'ubus';
import { task, timer } from 'uloop';
import { addrinfo, error, SOCK_STREAM } from 'socket';

const CONFIG = '/etc/config';
const LEASES = '/tmp/dhcp.leases';  // of dnsmasq, unless it is told otherwise
const NOT_FOUND = [ -2, -5 ];       // EAI_NONAME, EAI_NODATA (netdb.h)
const PATIENCE = 15000;             // milliseconds for a name; the system's own resolver takes 5 to 10 s
const FRESH = 10000;                // milliseconds in which an answer is good for whoever asks again
const MOST_LEASES = 256;            // in one answer
const MOST_ADDRESSES = 8;           // of a name

// matches tells whether the whole of a text is like a pattern: to ucode, ^ and $ are the ends of a line.
function matches(text, pattern) {
	return type(text) == 'string' && match(text, pattern)?.[0] == text;
}

// addressesOf asks the system's resolver, which may take its time.
function addressesOf(host) {
	const found = addrinfo(host, null, { socktype: SOCK_STREAM });
	const addresses = [];

	if (!found)
		return (error(true) in NOT_FOUND) ? { addresses } : { error: `the router cannot look names up: ${error()}`, hint: 'is it connected?' };
	for (let f in found)
		if (!(f.addr.address in addresses) && length(addresses) < MOST_ADDRESSES)
			push(addresses, f.addr.address);

	return { addresses };
}

let asked = null; // the one name that is looked up, or was a moment ago: { host, answer, end, task }

function forget() {
	asked?.task?.kill();
	asked?.end?.cancel();
	asked = null;
}

// resolve tells the addresses of a name, as the router sees it: { pending: true } until they are there, and
// who asked asks again. Another process does the waiting, because rpcd serves everybody in turn.
function resolve(args) {
	const host = args.host;

	if (!matches(host, /^[A-Za-z0-9_][A-Za-z0-9._-]{0,252}$/))
		return { error: `'${host}' is not the name of a host`, hint: 'a name such as home.example.net' };
	if (asked?.host == host)
		return asked.answer ?? { pending: true };

	forget();
	const mine = asked = { host };

	const answered = answer => {
		if (mine.answer)
			return;
		mine.answer = answer ?? { error: 'the router cannot look names up', hint: '' };
		mine.end.set(FRESH);
	};

	mine.end = timer(PATIENCE, () => {
		if (!mine.answer) {
			mine.task?.kill();
			answered({ error: 'the router’s name server does not answer', hint: 'is it connected?' });
		}
		else if (asked == mine)
			asked = null;
	});
	mine.task = task(() => addressesOf(host), answered);
	if (!mine.task)
		answered(null);

	return { pending: true };
}

// list returns an option's values, however it was written.
function list(value) {
	return filter(split(type(value) == 'array' ? join(' ', value) : value ?? '', /[ \t]+/), w => length(w));
}

// reservations returns the addresses and hardware addresses that have a static lease, both in small letters.
function reservations(uci) {
	const taken = [];

	uci.foreach('dhcp', 'host', s => {
		for (let word in [ ...list(s.ip), ...list(s.mac) ])
			push(taken, lc(word));
	});

	return taken;
}

// leases returns the devices that have their address from this router, and whether it is theirs for good.
function leases() {
	const uci = cursor(CONFIG);
	const taken = reservations(uci);
	const found = [];
	let file = null;

	uci.foreach('dhcp', 'dnsmasq', s => { file ??= s.leasefile; });
	for (let line in split(readfile(file || LEASES) ?? '', '\n')) {
		const m = match(line, /^[0-9]+ (([0-9a-f]{2}:){5}[0-9a-f]{2}) ([0-9.]+) ([^ ]+)/);

		if (m && length(found) < MOST_LEASES)
			push(found, { address: m[3], mac: m[1], name: m[4] == '*' ? '' : m[4], reserved: m[3] in taken || m[1] in taken });
	}

	return found;
}

// reserve gives the device that has an address now this address for good.
function reserve(args) {
	const lease = filter(leases(), l => l.address == args.address)[0];

	if (!lease)
		return { error: `nobody has the address '${args.address}' from this router`, hint: 'give it its address at the device itself' };
	if (lease.reserved)
		return { address: lease.address, reserved: true };

	const uci = cursor(CONFIG);

	uci.load('dhcp');

	const section = uci.add('dhcp', 'host');

	if (matches(lease.name, /^[A-Za-z0-9][A-Za-z0-9-]{0,62}$/))
		uci.set('dhcp', section, 'name', lease.name);
	uci.set('dhcp', section, 'mac', uc(lease.mac));
	uci.set('dhcp', section, 'ip', lease.address);
	uci.commit('dhcp');
	// On a full flash uci says that all is well.
	if (!(lease.address in reservations(cursor(CONFIG))))
		return { error: 'cannot write the configuration of DHCP', hint: 'is the flash full?' };
	ubus()?.call('service', 'event', { type: 'config.change', data: { package: 'dhcp' } });

	return { address: lease.address, reserved: true };
}

return {
	'latchkey.network': {
		resolve: { args: { host: '' }, call: req => resolve(req.args) },
		leases: { call: () => ({ leases: leases() }) },
		reserve: { args: { address: '' }, call: req => reserve(req.args) }
	}
};
