// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { load } from '../lib/modules.mjs';

const ports = load()('latchkey.ports');

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
