// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { load } from '../lib/modules.mjs';

const door = load()('latchkey.door');
const nas = { '.name': 'nas_ssh', title: 'NAS', src: 'wan', proto: 'tcp', port: '2022', dest: 'lan', dest_ip: '192.168.1.100', dest_port: '22' };
const nothing = { doors: [], firewall: [], main: {}, sequences: [], listeners: [] };

test('a door reads as a sentence', () => {
	assert.equal(door.sentence(nas), 'SSH on 192.168.1.100, from outside on port 2022');
	assert.equal(door.sentence(nas, () => 'nas'), 'SSH on nas, from outside on port 2022');
	assert.equal(door.sentence({ proto: 'tcp', port: '443' }), 'Web page (HTTPS) on this router');
	assert.equal(door.sentence({ proto: 'tcp' }), 'TCP port ? on this router');
	assert.equal(door.sentence({ proto: 'tcp', dest_ip: '10.0.0.2', dest_port: '22' }), 'SSH on 10.0.0.2');
	assert.equal(door.sentence({ proto: [ 'tcp', 'udp' ], port: '53', dest_port: '53', dest_ip: '10.0.0.2' }), 'TCP/UDP port 53 on 10.0.0.2');
});

test('a door with several ports reads as a sentence', () => {
	const on = { dest: 'lan', dest_ip: '10.0.0.2' };

	assert.equal(door.sentence({ port: [ '22', '60000-61000/udp' ] }), 'SSH and UDP ports 60000-61000 on this router');
	assert.equal(door.sentence({ port: '22 60000-61000/udp', ...on }), 'SSH and UDP ports 60000-61000 on 10.0.0.2');
	assert.equal(door.sentence({ port: '8080 8443', dest_port: '80 443', ...on }), 'TCP port 80 and Web page (HTTPS) on 10.0.0.2, from outside on ports 8080 and 8443');
	assert.equal(door.sentence({ port: '8000-8010', dest_port: '9000-9010', ...on }), 'TCP ports 9000-9010 on 10.0.0.2, from outside on ports 8000-8010');
	assert.equal(door.sentence({ port: '1 2 3 4 5' }), 'TCP port 1, TCP port 2, TCP port 3 and more ports on this router');
	assert.equal(door.sentence({ port: '53 853/tcp', proto: [ 'tcp', 'udp' ] }), 'TCP/UDP port 53 and TCP port 853 on this router');
});

test('of several ports, the one that collides is named', () => {
	const mosh = { '.name': 'mosh', port: [ '22', '60000-61000/udp' ] };
	const said = around => door.conflicts(mosh, { ...nothing, ...around });

	assert.deepEqual(said({ doors: [ { '.name': 'b', port: '60500', proto: 'udp' } ] }), [ '60500/udp: Door “b” uses this port already.' ]);
	assert.deepEqual(said({ doors: [ { '.name': 'b', port: '60500' }, { '.name': 'c', port: '22/udp' } ] }), []);
	assert.deepEqual(said({ main: { ports: '60000-66143', stun_port: '60001' } }), [ '60001/udp: This is the port where UDP knocks arrive.' ]);
	assert.deepEqual(said({ main: { ports: '20-6163' } }), [ '22/tcp: This port lies in 20-6163, where knocks arrive.' ]);
	assert.deepEqual(said({ sequences: [ { '.name': 's', step: [ '60007/tcp', '60009/udp' ] } ] }), [ '60009/udp: Sequence “s” knocks at this port.' ]);
	assert.deepEqual(said({ firewall: [ { '.type': 'rule', name: 'r', src: 'wan', dest_port: '20-30', target: 'ACCEPT' } ] }),
		[ '22/tcp: Firewall rule “r” opens this port to everybody already.' ]);
});

test('a door has no port twice', () => {
	assert.equal(door.twice({ port: '8000-8010 8005/udp' }), '');
	assert.equal(door.twice({ port: '8000-8010 8005/udp', proto: 'tcp udp' }), '8005/udp');
	assert.equal(door.twice({ port: '80 443 80' }), '80/tcp');
});

test('a free port is no conflict', () => {
	assert.deepEqual(door.conflicts(nas, { ...nothing, doors: [ nas ] }), []);
});

test('what a door would collide with is said', () => {
	const cases = [
		[ { doors: [ { '.name': 'b', title: 'B', proto: 'tcp', port: '2022' } ] }, 'Door “B” uses this port already.' ],
		[ { firewall: [ { '.type': 'redirect', name: 'old', src: 'wan', src_dport: '2000-2100', target: 'DNAT' } ] },
			'Port forward “old” leads everybody through this port already, without a knock.' ],
		[ { firewall: [ { '.type': 'rule', name: 'r', src: 'wan', dest: 'lan', dest_port: '22', proto: 'tcp', target: 'ACCEPT' } ] },
			'Firewall rule “r” opens this port to everybody already.' ],
		[ { firewall: [ { '.type': 'zone', name: 'wan' }, { '.type': 'zone', name: 'lan', enabled: '0' } ] },
			'The firewall has no zone lan, so this door cannot be opened.' ],
		[ { firewall: [ { '.type': 'zone', name: 'lan' } ] }, 'The firewall has no zone wan, so this door cannot be opened.' ],
		[ { main: { ports: '2000-8143' } }, 'This port lies in 2000-8143, where knocks arrive.' ],
		[ { sequences: [ { '.name': 's', step: [ '7000/tcp', '2022/tcp:syn' ] } ] }, 'Sequence “s” knocks at this port.' ],
		[ { listeners: [ { name: 'SSH', proto: 'tcp', port: 2022 } ] }, 'SSH of the router listens on this port; from outside, an open door leads past it.' ]
	];

	for (const [ around, sentence ] of cases)
		assert.deepEqual(door.conflicts(nas, { ...nothing, ...around }), [ sentence ]);
	for (const stun_port of [ '2022', [ '41641', '2022' ], '443 2022' ])
		assert.deepEqual(door.conflicts({ ...nas, proto: 'udp' }, { ...nothing, main: { stun_port } }), [ 'This is the port where UDP knocks arrive.' ]);
});

test('what does not touch the door is no conflict', () => {
	for (const around of [
		{ doors: [ { '.name': 'b', proto: 'udp', port: '2022' } ] },
		{ doors: [ { '.name': 'b', proto: 'tcp', port: '2022', enabled: '0' } ] },
		{ firewall: [ { '.type': 'redirect', src: 'wan', src_dport: '2023', target: 'DNAT' } ] },
		{ firewall: [ { '.type': 'redirect', src: 'lan', src_dport: '2022', target: 'DNAT' } ] },
		{ firewall: [ { '.type': 'zone', name: 'wan' }, { '.type': 'zone', name: 'lan' } ] },
		{ main: { ports: '3000-9143', stun_port: '2022' } },
		{ sequences: [ { '.name': 's', step: [ '2022/udp' ] } ] }
	])
		assert.deepEqual(door.conflicts(nas, { ...nothing, ...around }), []);
});

test('a free outside port is the service’s own if the page can try it, or a high one', () => {
	const free = (dest_port, around) => door.freePort({ ...nas, port: '', dest_port }, { ...nothing, ...around }, () => 1);

	for (const port of [ '80', '443', '1024', '3389', '8443' ])
		assert.equal(free(port), port);
	for (const port of [ '22', '25', '993', '1023' ])
		assert.equal(free(port), '20001');
	assert.equal(free('8443', { firewall: [ { '.type': 'zone', name: 'lan' } ] }), '8443');
	assert.equal(free('8443', { doors: [ { '.name': 'b', proto: 'tcp', port: '8443' } ] }), '20001');
});

test('section names are made from titles', () => {
	assert.equal(door.sectionName([ 'NAS: der große', 'ssh' ], []), 'nas_der_gro_e_ss');
	assert.equal(door.sectionName([ '门' ], []), 'door');
	assert.equal(door.sectionName([ 'nas', 'ssh' ], [ 'nas_ssh', 'nas_ssh_2' ]), 'nas_ssh_3');
});

test('services of the router are read from its configuration', () => {
	assert.deepEqual(door.listeners([ { '.type': 'dropbear', Port: '2200' } ], [ { listen_http: [ '0.0.0.0:80', '[::]:8080' ] } ],
		[ { proto: 'wireguard', listen_port: '51820' } ]).map(l => l.proto + ' ' + l.port), [ 'tcp 2200', 'tcp 80', 'tcp 8080', 'udp 51820' ]);
});
