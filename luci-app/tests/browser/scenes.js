// SPDX-License-Identifier: Apache-2.0
'use strict';

// What the browser tests look at: each scene fills the page's root. Runs in the page.
globalThis.scenes = (function() {
	const NOW = Date.parse('2026-11-22T12:00:00Z');
	const at = seconds => new Date(NOW - seconds * 1000).toISOString();

	const status = {
		version: '0.1.0', running: true, since: at(9999), now: at(0), clock: 'synchronised', clock_reason: 'ntp', clock_since: at(181), problem: '', last: 9,
		devices: [ { name: 'eth1', state: 'up', since: at(9999) }, { name: 'pppoe-wan', state: 'missing', since: at(60) } ],
		doors: [
			{ name: 'nas_ssh', title: 'NAS – SSH', state: 'ready', open_for: 600, max_open: 3600, grants: [
				{ address: '203.0.113.7', until: at(-581), left: 581, client: 'anna', knock: 'message stun' },
				{ address: '2001:db8:1234:5678:9abc:def0:1234:5678', until: at(-300), left: 300, knock: 'sequence home', pending: true } ] },
			{ name: 'web', title: '<img src=x onerror=alert(1)>', state: 'pending', open_for: 30, max_open: 30, grants: [] },
			{ name: 'lost', state: 'broken', reason: 'the firewall has no zone \'<b>lab\' (option \'dest\')', open_for: 30, max_open: 3600, grants: [] },
			{ name: 'off', state: 'disabled', open_for: 30, max_open: 3600, grants: [] }
		],
		clients: [
			{ name: 'anna', title: 'Anna’s phone', kind: 'message', state: 'ready', doors: [ 'nas_ssh', 'web' ], last: at(130) },
			{ name: 'old', title: 'Old laptop', kind: 'fwknop', state: 'expired', doors: [], expires: at(86400) }
		]
	};
	const events = [
		{ number: 1, time: at(90000), kind: 'started', detail: 'latchkeyd 0.1.0 listens on eth1 (up)' },
		{ number: 2, time: at(700), kind: 'opened', door: 'nas_ssh', client: 'anna', address: '203.0.113.7', knock: 'message stun', also: 'message ports', count: 2 },
		{ number: 3, time: at(500), kind: 'refused', door: 'nas_ssh', client: 'anna', address: '203.0.113.7', knock: 'message stun', reason: 'stale', skew: 540 },
		{ number: 4, time: at(300), kind: 'refused', address: '2001:db8:ffff:ffff:ffff:ffff:ffff:ffff', knock: 'sequence home', reason: 'trip-wire', count: 14, hidden: 2 },
		{ number: 5, time: at(200), kind: 'link', detail: 'device pppoe-wan is missing' },
		{ number: 6, time: at(100), kind: 'expired', door: 'nas_ssh', client: 'anna', address: '203.0.113.7' },
		{ number: 7, time: at(40), kind: 'trouble', detail: 'firewall: a very long complaint of the kernel about /var/run/latchkey/something' },
		{ number: 8, time: at(30), kind: 'inside', door: 'nas_ssh', client: 'anna', address: '192.168.1.33', knock: 'message stun' },
		{ number: 9, time: at(20), kind: 'refused', client: 'anna', address: '203.0.113.8', knock: 'message stun', reason: 'replayed', usual: true }
	];
	const doors = [
		{ '.name': 'nas_ssh', '.type': 'door', title: 'NAS – SSH', src: 'wan', proto: 'tcp', port: '2022', dest: 'lan', dest_ip: '192.168.1.100', dest_port: '22', open_for: '10m' },
		{ '.name': 'web', '.type': 'door', proto: [ 'tcp' ], port: '443', wake: '00:11:22:33:44:55', dest_ip6: '::22' }
	];
	// How the Internet reaches the router, see where.js.
	const where = extra => Object.assign({ host: '', addresses: [ '203.0.113.1' ], situation: { id: 'open', address: '203.0.113.1', six: false }, own: [ '203.0.113.1', '192.168.1.1' ],
		isFixed: false, unknown: [], ordered: [], name: 'home', ddns: { url: '/cgi-bin/luci/admin/services/ddns', isInstalled: true },
		resolve: host => { calls.push([ 'resolve', host ]); return Promise.resolve({ addresses: [ '203.0.113.1' ] }); } }, extra);
	const OWN_PAGE = 'http://192.168.1.1/latchkey/';
	let host = ''; // in the configuration
	const context = extra => Object.assign({
		hosts: [ { name: 'nas', ip4: '192.168.1.100', mac: 'AA', zone: 'lan' }, { name: '', ip4: '192.168.1.20', mac: 'BB', zone: 'guest' } ],
		leases: [ { address: '192.168.1.100', mac: 'aa', name: 'nas', reserved: true } ],
		zone: 'wan',
		zones: [ 'wan' ],
		where: where(),
		around: { doors: doors, firewall: [], main: { ports: '20480-26623' }, sequences: [], listeners: [] },
		clients: [ { '.name': 'anna', title: 'Anna’s phone' } ],
		taken: [ 'main', 'nas_ssh', 'web', 'anna' ],
		main: { ports: '20480-26623', stun_port: '41641', interface: [ 'wan' ], page: 'https://knock.example.net/' },
		qr: text => { calls.push([ 'qr', text ]); return '<svg xmlns="http://www.w3.org/2000/svg" width="49" height="49"><rect width="49" height="49" fill="white"/><path d="M4,4h20v20h-20z"/></svg>'; },
		save: answers => { calls.push([ 'save', answers ]); host = answers.host ?? host; return Promise.resolve(); },
		offer: client => { calls.push([ 'offer', client ]); return Promise.resolve({ address: OWN_PAGE + '#' + code(calls.length), minutes: 15,
			warnings: host.match(/[a-z]/) ? [] : [ { word: 'may-change', text: 'the link has addresses only' } ] }); },
		link: (client, app) => { calls.push([ app ? 'app' : 'link', client ]); return Promise.resolve((app ? 'latchkey:' : OWN_PAGE + '#') + 'v=1&k=SECRET'); },
		close: () => calls.push([ 'close' ])
	}, extra);
	const code = n => 'AAECAwQFBgcICQoLDA0' + String(n).padStart(3, '0');
	const actions = () => ({ names: need('latchkey.status').names(status), at: NOW, about: d => (d.name == 'nas_ssh') ? 'SSH on nas, from outside on port 2022' : '',
		open: (ev, d) => calls.push([ 'open', d.name ]), close: (ev, d, g) => calls.push([ 'close', d.name, g.address ]) });
	const put = (...nodes) => need('latchkey.status').replace(root, nodes);
	const heading = text => E('h3', [ text ]);

	// Findings of a stock firewall with a forward, and with a rule about all zones.
	const firewall = [
		{ '.type': 'defaults', '.name': 'd', input: 'REJECT', forward: 'REJECT' },
		{ '.type': 'zone', '.name': 'z', name: 'wan', network: [ 'wan' ], input: 'REJECT', forward: 'DROP' },
		{ '.type': 'rule', '.name': 'r', name: 'Allow-Ping', src: 'wan', proto: 'icmp', icmp_type: 'echo-request', family: 'ipv4', target: 'ACCEPT' },
		{ '.type': 'redirect', '.name': 'f', name: 'NAS', src: 'wan', src_dport: '2222', dest: 'lan', dest_ip: '192.168.1.5', proto: 'tcp', target: 'DNAT' },
		{ '.type': 'rule', '.name': 'a', name: 'Allow-Web', src: '*', proto: 'tcp', dest_port: '8443', target: 'ACCEPT' }
	];
	const steps = [ '41203/tcp', '7351/tcp', '28010/udp', 'icmp:77', '55900/tcp:syn,!ack' ];

	return {
		NOW, status, events, doors, firewall, context, where, put,
		overview: () => put(need('latchkey.status').banner(status, null), heading('Doors'), need('latchkey.status').doorCards(status, actions()),
			heading('Knocks'), need('latchkey.eventlist').list(events, { names: need('latchkey.status').names(status), now: status.now, folds: true, empty: '-', level: 'h4' })),
		look: () => put(heading('Doors'), need('latchkey.status').doorCards(status, { names: need('latchkey.status').names(status), at: NOW }),
			heading('Clients'), need('latchkey.rows').clientsLook(status, NOW)),
		wizard: extra => put(heading('Setup'), need('latchkey.wizard').firstUse(context(extra))),
		door: () => put(heading('Door'), need('latchkey.wizard').newDoor(context())),
		device: () => put(heading('Device'), need('latchkey.device').newDevice(context())),
		key: () => put(heading('Key'), need('latchkey.device').newKey(context(), { '.name': 'anna', title: 'Anna', door: [ 'nas_ssh' ] })),
		code: () => put(heading('Code'), need('latchkey.device').newCode(context(), { '.name': 'anna', title: 'Anna', door: [ 'nas_ssh' ] })),
		stealth: (propose = f => calls.push([ 'propose', f.id ])) => put(heading('Stealth'), need('latchkey.report').page(need('latchkey.stealth').findings(firewall, [ 'wan' ]), propose),
			need('latchkey.report').diff(need('latchkey.stealth').findings(firewall, [ 'wan' ])[0].change, () => firewall[1])),
		sequence: () => put(heading('Sequence'), need('latchkey.share').sequencePanel({ name: 'home', json: '{}', knock: 'knock -d 200 h 1:tcp', latchkey: 'latchkey knock h 1/tcp', knockd: '[home]' })),
		rows: () => put(heading('Rows'), need('latchkey.rows').doorRow(doors[0], () => 'nas', [ 'a conflict' ]), need('latchkey.rows').doorRow(doors[1], () => '', []),
			need('latchkey.rows').openersRow([ { title: 'Anna' }, { title: 'Ben' } ], [ { '.name': 'home' } ]), need('latchkey.rows').openersRow([], []),
			need('latchkey.rows').timeRow(doors[0]), need('latchkey.rows').clientKind({ kind: 'fwknop' }), need('latchkey.rows').doorList('nas_ssh gone', doors),
			need('latchkey.rows').clientState({ expires: '2027-01-31' }, status.clients[0], NOW), need('latchkey.rows').sequenceRow({ step: steps, within: '5s' }),
			need('latchkey.rows').sequenceRow({ once: [ '1/tcp 5/tcp' ] }), need('latchkey.rows').judgement(steps), need('latchkey.rows').judgement([ '1/tcp' ])),
		importer: translate => put(heading('Import'), need('latchkey.importer').panel({ translate: translate || (() => Promise.resolve({ config: '' })), taken: [ 'openSSH' ],
			take: (sections, main) => { calls.push([ 'take', sections, main ]); return Promise.resolve(); }, cancel: () => calls.push([ 'cancel' ]) }))
	};
})();
