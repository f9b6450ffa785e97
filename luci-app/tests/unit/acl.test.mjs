// SPDX-License-Identifier: Apache-2.0

import test from 'node:test';
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { app } from '../lib/modules.mjs';

test('an account that may only read is given status, events and the radar, and nothing else', () => {
	const acl = JSON.parse(readFileSync(join(app, 'root/usr/share/rpcd/acl.d/luci-app-latchkey.json'), 'utf8'));

	assert.deepEqual(Object.keys(acl), [ 'luci-app-latchkey' ]);
	assert.deepEqual(acl['luci-app-latchkey'].read, { ubus: { latchkey: [ 'status', 'events', 'radar' ] } });
});
