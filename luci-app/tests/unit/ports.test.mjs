// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { load, table, without } from '../lib/modules.mjs';

const require = load();
const door = require('latchkey.door'), ports = require('latchkey.ports'), reach = require('latchkey.reach'), syntax = require('latchkey.syntax');

// Sections from lines as uci shows them: of('firewall', 'rule').
function shown(lines) {
	const all = {};

	for (const line of lines) {
		const [ , config, name, option, value ] = line.match(/^(\w+)\.([^.=]+)(?:\.(\w+))?=(.*)$/);
		const section = all[config + '.' + name] ??= { '.name': name, config };
		const values = value.split("' '").map(v => v.replace(/^'|'$/g, ''));

		section[option || '.type'] = (values.length > 1) ? values : values[0];
	}

	return (config, type) => Object.values(all).filter(s => s.config == config && (!type || s['.type'] == type));
}

const taken = table('uplink/taken.tsv');

// The daemon has the same rule, and its tests read the same table.
test('what is taken at first use is what receives from outside', { skip: without(taken) }, () => {
	assert.ok(taken.length > 50);
	for (const [ what, wanted, lines ] of taken) {
		const of = shown(lines.split(' | '));
		const around = { doors: of('latchkey', 'door'), sequences: of('latchkey', 'sequence'), ordered: of('latchkey', 'ports'), firewall: of('firewall'),
			listeners: door.listeners(of('dropbear'), of('uhttpd'), of('network')) };
		const main = of('latchkey').find(s => s['.name'] == 'main') || {};
		const zones = reach.outside(of('firewall'), syntax.words(main.interface)).zones;
		const udp = ports.occupied('udp', zones, around).concat(syntax.words(main.spa_port).map(door.portRange));
		const found = [ [ '443', ports.isFree([ 443, 443 ], udp) ], [ '30000', ports.isFree([ 30000, 30000 ], udp) ],
			[ 'span', ports.isFree([ 20480, 26623 ], ports.occupied('tcp', zones, around)) ] ].filter(f => !f[1]).map(f => f[0]);

		assert.equal(found.join(' ') || '-', wanted.replaceAll('!', '') || '-', what);
	}
});

test('the generator of steps keeps away from all ports of doors', () => {
	const taken = ports.taken({
		main: { ports: '20480-26623', stun_port: [ '41641', '443' ] },
		doors: [ { port: '443' }, { port: [ '22', '60000-61000/udp' ] }, { port: '80 8000-8010' }, {} ],
		listeners: [ { proto: 'tcp', port: 2222 } ],
		sequences: [ { step: [ '7000/tcp', '7500/udp' ] }, { step: '9000/tcp' }, {} ],
	});

	assert.deepEqual(taken.map(r => r.join('-')).sort(), [
		'20480-26623', '41641-41641', '443-443', '443-443', '22-22', '60000-61000', '80-80', '8000-8010', '2222-2222', '7000-7000', '7500-7500', '9000-9000',
	].sort());
});
