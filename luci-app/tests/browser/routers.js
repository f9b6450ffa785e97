// SPDX-License-Identifier: Apache-2.0

// Routers made of answers, for tests and for the preview: what ubus says in each situation. Everything
// is made from one number, so that pictures stay the same.

const NOW = Date.parse('2026-11-25T20:30:00Z');
const MINUTE = 60000, HOUR = 60 * MINUTE, DAY = 24 * HOUR;
const iso = t => new Date(t).toISOString();

// Numbers that look random and are the same each time (mulberry32).
function dice(seed) {
	return () => {
		seed = (seed + 0x6d2b79f5) | 0;

		let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);

		t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;

		return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
	};
}

const CLIENTS = [ [ 'anna', 'Anna’s phone' ], [ 'ben', 'Ben’s laptop' ], [ 'work', 'Work laptop' ], [ 'backup', 'Off-site backup' ] ];
const DOORS = [ [ 'nas_ssh', 'NAS – SSH', 600 ], [ 'router_web', 'Router – web page', 600 ], [ 'garden_camera', 'Garden camera', 1800 ] ];

// A history that is written as the daemon does: opened, extended, then the end that knows its beginning.
class History {
	constructor() {
		this.events = [];
		this.grants = {};
	}
	add(t, kind, more) { this.events.push({ time: iso(t), t, kind, ...more }); }
	visit(door, client, address, from, to, more = {}) {
		const who = { door, client, address, knock: 'message stun' };

		this.add(from, 'opened', { ...who, until: iso(Math.max(to, from + 10 * MINUTE)), also: 'message ports', count: 2, ...more, detail: undefined });
		if (to > NOW)
			(this.grants[door] ??= []).push({ address, since: iso(from), until: iso(to), left: Math.round((to - NOW) / 1000), client, knock: 'message stun', ...more });
		else
			this.add(to, more.end || 'expired', { ...who, from: iso(from), ...more });
	}
	refused(t, more) { this.add(t, 'refused', { knock: 'message stun', reason: 'bad-message', address: '198.51.100.' + (1 + Math.floor(t / 7919) % 250), ...more }); }
	list() { return this.events.sort((a, b) => a.t - b.t).map(({ t, ...e }, i) => ({ number: i + 1, ...e })); }
}

function answerOf({ doors, clients, history, started = NOW - 9 * DAY, status = {} }) {
	const events = history.list();

	return {
		events,
		status: {
			version: '0.2.0', running: true, run: 'r1', since: iso(started), now: iso(NOW), clock: 'synchronised', clock_reason: 'ntp', clock_since: iso(NOW - 3 * MINUTE),
			packets: 4711, last: events.length, devices: [ { name: 'pppoe-wan', state: 'up', since: iso(started) } ],
			doors: doors.map(([ name, title, open_for ]) => ({ name, title, state: 'ready', open_for, max_open: 3600, grants: history.grants[name] || [] })),
			clients: clients.map(([ name, title ]) => ({ name, title, kind: 'latchkey', state: 'ready', doors: doors.map(d => d[0]) })),
			...status
		}
	};
}

function starts(history, t) {
	history.add(t, 'started', { detail: 'latchkeyd 0.2.0 listens on pppoe-wan (up)' });
	history.add(t + 400, 'pending', { door: 'nas_ssh', detail: 'the firewall has no set for this door' });
	history.add(t + 2400, 'ready', { door: 'nas_ssh', detail: 'the firewall has its sets' });
}

// A household: some visits a day, a few refusals, one who is in now.
function quiet() {
	const h = new History(), roll = dice(7);

	starts(h, NOW - 9 * DAY);
	for (let day = 7; day >= 0; day--) {
		const midnight = NOW - NOW % DAY - day * DAY;
		const at = (hour, more) => midnight + hour * HOUR + Math.floor(roll() * 50) * MINUTE + (more || 0);
		const visit = (door, client, address, from, minutes, more) => from + minutes * MINUTE < NOW - 20 * MINUTE && h.visit(door, client, address, from, from + minutes * MINUTE, more);

		visit('nas_ssh', 'anna', '203.0.113.7', at(7), 10 + Math.floor(roll() * 20));
		visit('router_web', 'ben', '198.51.100.80', at(12), 10);
		if (day % 2)
			visit('nas_ssh', 'ben', '198.51.100.80', at(12), 45 + Math.floor(roll() * 60), { end: 'closed', detail: 'closed by a knock' });
		visit('garden_camera', 'anna', '2001:db8:7::15', at(18), 30);
		visit('nas_ssh', 'backup', '192.0.2.14', at(2), 60);
		if (day % 3 == 0)
			h.refused(at(4), { reason: 'bad-message', count: 1 + Math.floor(roll() * 9) });
	}
	h.refused(NOW - 5 * HOUR, { door: 'nas_ssh', client: 'anna', address: '203.0.113.7', reason: 'stale', skew: 540 });
	h.refused(NOW - 5 * HOUR + 20000, { door: 'nas_ssh', client: 'anna', address: '203.0.113.7', reason: 'stale', skew: 540 });
	h.add(NOW - 3 * HOUR, 'reload', { detail: 'configuration read again' });
	h.add(NOW - 3 * HOUR + 1000, 'pending', { door: 'nas_ssh', detail: 'the firewall has no set for this door' });
	h.add(NOW - 3 * HOUR + 2000, 'ready', { door: 'nas_ssh', detail: 'the firewall has its sets' });
	h.visit('nas_ssh', 'anna', '203.0.113.7', NOW - 52 * MINUTE, NOW + 8 * MINUTE);

	return answerOf({ doors: DOORS, clients: CLIENTS, history: h });
}

// 20 doors, 12 clients, 2000 events; more than the daemon keeps.
function busy() {
	const h = new History(), roll = dice(11);
	const doors = Array.from({ length: 20 }, (_, i) => [ 'door' + i, [ 'NAS', 'Camera', 'Printer', 'Build server', 'Wiki' ][i % 5] + ' ' + (1 + Math.floor(i / 5)), 600 ]);
	const clients = Array.from({ length: 12 }, (_, i) => [ 'c' + i, [ 'Anna’s phone', 'Ben’s laptop', 'Tablet', 'Work laptop' ][i % 4] + ' ' + (1 + Math.floor(i / 4)) ]);

	starts(h, NOW - 20 * DAY);
	for (let i = 0; i < 760; i++) {
		const from = NOW - Math.floor(roll() * 7.5 * DAY), c = Math.floor(roll() * 12);

		h.visit('door' + Math.floor(roll() * roll() * 20), 'c' + c, '203.0.113.' + (10 + c), from, from + (5 + Math.floor(roll() * roll() * 180)) * MINUTE);
	}
	for (let i = 0; i < 480; i++)
		h.refused(NOW - Math.floor(roll() * roll() * 7 * DAY), roll() < .3 ? { door: 'door' + Math.floor(roll() * 20), client: 'c1', reason: 'stale', skew: -90 } : { count: 1 + Math.floor(roll() * 30), hidden: (i % 100) ? 0 : 400 });

	return answerOf({ doors, clients, history: h });
}

// The first minutes of a router without a battery: its clock is not set.
function unset() {
	const h = new History();
	const old = '1970-01-01T00:12:00Z', shift = t => iso(Date.parse(old) - (NOW - t));

	starts(h, NOW - 11 * MINUTE);
	h.visit('nas_ssh', 'anna', '203.0.113.7', NOW - 9 * MINUTE, NOW - 4 * MINUTE);
	h.refused(NOW - 3 * MINUTE, {});
	h.visit('garden_camera', 'ben', '198.51.100.80', NOW - 2 * MINUTE, NOW + 28 * MINUTE);

	const a = answerOf({ doors: DOORS, clients: CLIENTS, history: h, started: NOW - 11 * MINUTE, status: { clock: 'free', clock_reason: 'unset', clock_since: undefined } });

	return JSON.parse(JSON.stringify(a, (k, v) => [ 'time', 'from', 'until', 'since', 'now' ].includes(k) && typeof v == 'string' ? shift(Date.parse(v)) : v));
}

// Started an hour ago: nothing is known from before, and nothing has happened.
function fresh() {
	const h = new History();

	starts(h, NOW - HOUR);

	return answerOf({ doors: DOORS, clients: CLIENTS, history: h, started: NOW - HOUR });
}

// What goes wrong: a door that waits with somebody in it, one that is broken, two clients at one address,
// a visit whose end nobody saw, a door that is gone, a flood of refusals.
function troubled() {
	const h = new History();

	starts(h, NOW - 30 * HOUR);
	h.visit('nas_ssh', 'anna', '203.0.113.7', NOW - 40 * MINUTE, NOW + 20 * MINUTE);
	h.visit('nas_ssh', 'ben', '203.0.113.7', NOW - 25 * MINUTE, NOW + 35 * MINUTE);
	h.visit('router_web', 'ben', '203.0.113.7', NOW - 5 * MINUTE, NOW + 5 * MINUTE, { pending: true });
	h.add(NOW - 9 * HOUR, 'opened', { door: 'nas_ssh', client: 'work', address: '192.0.2.9', knock: 'message stun', until: iso(NOW - 8 * HOUR) });
	h.add(NOW - 8.5 * HOUR, 'started', { detail: 'latchkeyd 0.2.0 listens on pppoe-wan (up)' });
	h.visit('old_printer', 'anna', '203.0.113.7', NOW - 20 * HOUR, NOW - 19 * HOUR, { end: 'closed', detail: 'the door was taken out of the configuration' });
	for (let i = 0; i < 130; i++)
		h.refused(NOW - 3 * HOUR + i * MINUTE, { reason: 'unknown-key', count: 9 });
	h.visit('nas_ssh', '', '192.0.2.77', NOW - 14 * HOUR, NOW - 12 * HOUR, { knock: 'control', client: undefined, end: 'closed', detail: 'closed at the router' });
	h.visit('nas_ssh', '', '192.0.2.78', NOW - 16 * HOUR, NOW - 15 * HOUR, { knock: 'sequence home', client: undefined });
	h.add(NOW - 2 * HOUR, 'broken', { door: 'garden_camera', detail: 'the firewall has no zone \'lab\'' });

	const a = answerOf({ doors: DOORS, clients: CLIENTS, history: h });

	Object.assign(a.status.doors[1], { state: 'pending' });
	Object.assign(a.status.doors[2], { state: 'broken', reason: 'the firewall has no zone \'lab\'' });

	return a;
}

// Titles and names that somebody else may have chosen.
function hostile() {
	const a = quiet();
	const evil = '<img class=evil src=/evil onerror="evil=1">\u202e\u05d0"\'&amp;';

	a.status.doors.forEach((d, i) => { d.title = evil + i; });
	a.status.clients.forEach((c, i) => { c.title = evil + 'client' + i; });
	a.events.slice(-3).forEach(e => { e.door = e.door && evil; e.client = evil; e.address = evil; e.detail = evil; });

	return a;
}

const SERVICES = [ [ 'tcp', 23, 'telnet' ], [ 'tcp', 22, 'ssh' ], [ 'tcp', 445, 'smb' ], [ 'tcp', 3389, 'rdp' ], [ 'tcp', 80, 'http' ], [ 'udp', 5060, 'sip' ], [ 'tcp', 443, 'https' ],
	[ 'tcp', 8080, 'http' ], [ 'udp', 161, 'snmp' ], [ 'tcp', 5555, 'adb' ], [ 'tcp', 6379, 'redis' ], [ 'udp', 53, 'domain' ], [ 'tcp', 2323, 'telnet' ], [ 'tcp', 8291, 'winbox' ],
	[ 'udp', 123, 'ntp' ], [ 'tcp', 37215, 'huawei-upnp' ], [ 'tcp', 1433, 'mssql' ] ];

// What the radar has after a number of hours; flooded: in one of them.
function radarOf(hours, flooded) {
	const roll = dice(23);

	return {
		now: iso(NOW),
		hours: Array.from({ length: hours }, (_, i) => {
			const n = 60 + Math.floor(roll() * 90) + (i % 24 == 3 ? 1200 : 0);
			const much = flooded && i == hours - 30;

			return { time: iso(NOW - 24 * MINUTE - (hours - 1 - i) * HOUR), tcp: much ? 41000000 : n, udp: Math.floor(n / 7), samples: much ? 52000 : n + Math.floor(n / 7) };
		}),
		ports: hours > 1 ? SERVICES.map(([ proto, port, service ], i) => ({ proto, port, service, attempts: Math.floor(6200 / (1 + i * i / 4)) })) : [],
		others: hours > 1 ? 8123 : 0,
		senders: hours > 1 ? [
			{ address: '203.0.113.66', attempts: 2004, samples: 2004, ports: 993, ports_at_most: 993, hours: 1, first: iso(NOW - 9 * HOUR), last: iso(NOW - 9 * HOUR + 4 * MINUTE), scan: true },
			{ address: '2001:db8:4b1d:9:5c2e:11ff:fe90:7a01', attempts: 88000, samples: 1312, ports: 820, ports_at_most: 65000, hours: 2, first: iso(NOW - 30 * HOUR), last: iso(NOW - 29 * HOUR), scan: true },
			{ address: '198.51.100.200', attempts: 412, samples: 412, ports: 3, ports_at_most: 3, hours: 96, first: iso(NOW - 6.8 * DAY), last: iso(NOW - 3 * MINUTE) },
			{ address: '192.0.2.19', attempts: 1, samples: 1, ports: 1, ports_at_most: 1, hours: 1, first: iso(NOW - 50 * MINUTE), last: iso(NOW - 50 * MINUTE) } ] : []
	};
}

const RADARS = { quiet: () => radarOf(168, false), busy: () => radarOf(168, true), fresh: () => radarOf(1, false), troubled: () => ({ ...radarOf(50, true), problem: 'look for strangers at pppoe-wan: no buffer space available' }),
	off: () => ({ error: 'the radar is switched off', hint: 'set option \'radar\' of section main to \'1\'' }) };

const down = more => ({ status: { running: false, enabled: true, reason: '', devices: [], doors: [], clients: [], ...more } });

// 200 doors and 200 clients that may open all of them; the second half of the doors is open, with 10 000 grants, of
// which a status lists about 1024.
function large() {
	const h = new History();
	const doors = Array.from({ length: 200 }, (_, i) => [ 'door' + i, 'Door ' + i, 600 ]);
	const clients = Array.from({ length: 200 }, (_, i) => [ 'client' + i, 'Client ' + i ]);

	starts(h, NOW - DAY);
	for (let i = 0; i < 1000; i++)
		h.visit('door' + (100 + i % 100), 'client' + i % 199, `198.18.${i >> 8}.${i & 255}`, NOW - HOUR - i * 100, NOW + HOUR);

	const a = answerOf({ doors, clients, history: h, status: { grants: 10000, max_grants: 10240, nearly_full: true } });

	a.status.clients.forEach(c => { c.doors = c.doors.slice(0, 20); c.more_doors = 180; });
	a.status.doors.slice(100).forEach(d => { d.more = 90; });
	Object.assign(a.status.doors[100], { grants: Array.from({ length: 20 }, (_, i) => ({ ...a.status.doors[100].grants[0], address: '203.0.113.' + i })), more: 80 });
	a.uci = clients.map(([ name, title ]) => section('client', name, { title, key: 'A'.repeat(43) + '=', door: doors.map(d => d[0]) }));

	return a;
}

const LARGE = { large }; // apart from the others, each of which is looked at in every form

export const ROUTERS = {
	quiet, busy, fresh, troubled, unset, hostile,
	off: () => down({ enabled: false }),
	starting: () => down({ process: 'running' }),
	ended: () => down({ process: 'ended' }),
	refused: () => down({ reason: 'section \'nas_ssh\' option \'port\' specifies invalid value \'70000\': ports end at 65535 (line 9)' }),
	hung: () => ({ status: { error: 'latchkeyd did not answer', hint: 'look for it in the log' } }),
	absent: () => ({ rpc: { code: -32000, message: 'Object not found' } }),
	denied: () => ({ rpc: { code: -32002, message: 'Access denied' } }),
	empty: () => down({ enabled: false })
};

const section = (type, name, options) => [ name, { '.name': name, '.type': type, '.anonymous': false, ...options } ];

const UCI = {
	latchkey: Object.fromEntries([
		section('latchkey', 'main', { enabled: '1', ports: '20480-26623', stun_port: '41641', interface: [ 'wan', 'wan6' ] }),
		section('door', 'nas_ssh', { title: 'NAS – SSH', src: 'wan', proto: [ 'tcp' ], port: '2022', dest: 'lan', dest_ip: '192.168.1.22', dest_port: '22', open_for: '10m' }),
		section('door', 'router_web', { title: 'Router – web page', src: 'wan', proto: [ 'tcp' ], port: '443', open_for: '10m' }),
		section('door', 'garden_camera', { title: 'Garden camera', src: 'wan', proto: [ 'tcp' ], port: '8443', dest: 'lan', dest_ip: '192.168.1.40', dest_port: '443', open_for: '30m' }),
		...CLIENTS.map(([ name, title ]) => section('client', name, { title, key: 'A'.repeat(43) + '=', door: DOORS.map(d => d[0]) })),
		section('sequence', 'home', { step: [ '41203/tcp', '7351/tcp', '28010/udp', '55900/tcp' ], within: '15s', door: [ 'nas_ssh' ] }) ]),
	firewall: Object.fromEntries([
		section('defaults', 'd', { input: 'REJECT', output: 'ACCEPT', forward: 'REJECT' }),
		section('zone', 'lan', { name: 'lan', network: [ 'lan' ], input: 'ACCEPT', output: 'ACCEPT', forward: 'ACCEPT' }),
		section('zone', 'wan', { name: 'wan', network: [ 'wan', 'wan6' ], input: 'REJECT', output: 'ACCEPT', forward: 'DROP', masq: '1' }),
		section('rule', 'r1', { name: 'Allow-DHCP-Renew', src: 'wan', proto: 'udp', dest_port: '68', target: 'ACCEPT', family: 'ipv4' }),
		section('rule', 'r2', { name: 'Allow-Ping', src: 'wan', proto: 'icmp', icmp_type: 'echo-request', family: 'ipv4', target: 'ACCEPT' }),
		section('rule', 'r3', { name: 'Allow-IPSec-ESP', src: 'wan', dest: 'lan', proto: 'esp', target: 'ACCEPT' }),
		section('rule', 'r4', { name: 'Allow-ISAKMP', src: 'wan', dest: 'lan', dest_port: '500', proto: 'udp', target: 'ACCEPT' }) ]),
	system: Object.fromEntries([ section('system', 's', { hostname: 'home' }) ]),
	network: Object.fromEntries([ section('interface', 'lan', { ipaddr: '192.168.1.1' }), section('interface', 'wan', {}), section('interface', 'wan6', {}) ]),
	ddns: {}, dropbear: {}, uhttpd: {}, luci: Object.fromEntries([ section('core', 'main', {}) ])
};

// What latchkeyd import says of a file of knockd.
const IMPORTED = `# Translated from knockd.conf. Look it through; then option enabled '1' in section main switches it on.
config latchkey 'main'

# [openSSH] (line 4)
config door 'tcp22'
	list proto 'tcp'
	option port '22'
	option open_for '10s'

config sequence 'openSSH'
	list step '7000/tcp'
	list step '8000/tcp'
	list step '9000/tcp'
	option within '5s'
	list door 'tcp22'

# [mail] (line 12)
# The command /root/mail.sh runs nothing that opens a port.

# Sections that were read:
#   usable as it is: 1
#   not translated: 1
`;

// A router's answers as ubus gives them; made is what it says, which a test may alter.
export function routerOf(name) {
	const made = (ROUTERS[name] || LARGE[name])();

	made.radar = (RADARS[name] || RADARS.off)();
	const uci = { ...UCI };

	if (name == 'empty')
		uci.latchkey = Object.fromEntries([ section('latchkey', 'main', { enabled: '0' }) ]);
	else
		uci.latchkey = { ...UCI.latchkey, ...Object.fromEntries((made.status?.doors || []).map((d, i) => section('door', d.name, { ...(UCI.latchkey[d.name] ||
			{ src: 'wan', proto: 'tcp', port: String(2100 + i), dest: 'lan', dest_ip: '192.168.1.' + (50 + i), dest_port: '22' }), title: d.title }))), ...Object.fromEntries(made.uci || []) };

	const answer = (object, method, args) => {
		switch (object + ' ' + method) {
		case 'latchkey status': return made.rpc ? { rpc: made.rpc } : made.status;
		case 'latchkey events': return made.rpc ? { rpc: made.rpc } : { events: (made.events || []).filter(e => e.number > (args.since || 0)) };
		case 'latchkey radar': return made.rpc ? { rpc: made.rpc } : made.radar;
		case 'latchkey check': return { problems: made.problems?.shift() || [] };
		case 'latchkey import': return { config: IMPORTED };
		case 'latchkey offer': return { address: 'http://192.168.1.1/latchkey/#GrSmB0gXRIV8vVm3pK7gzA', minutes: 15 };
		case 'latchkey link': return { link: 'http://192.168.1.1/latchkey/#v=1&n=home&h=home.example.net&u=41641&p=20480&k=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8&d=nas_ssh' };
		case 'latchkey close': return { closed: [] };
		case 'uci get': return args.config in uci ? { values: uci[args.config] } : { code: 4 };
		case 'luci-rpc getHostHints': return { 'AA:00:00:00:00:01': { name: 'nas', ipaddrs: [ '192.168.1.22' ] }, 'AA:00:00:00:00:02': { name: 'camera', ipaddrs: [ '192.168.1.40' ] } };
		case 'network.interface dump': return { interface: [ { interface: 'lan', up: true, l3_device: 'br-lan', 'ipv4-address': [ { address: '192.168.1.1', mask: 24 } ] },
			{ interface: 'wan', up: true, l3_device: 'pppoe-wan', 'ipv4-address': [ { address: '203.0.113.1', mask: 24 } ] } ] };
		case 'session access': return { access: true };
		default: return {};
		}
	};

	return Object.assign(answer, { made });
}

export { NOW };
