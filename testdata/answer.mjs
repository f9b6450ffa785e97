// SPDX-License-Identifier: Apache-2.0

// Answers questions about the project's JavaScript, for Go tests that compare it with Go's: a line of input
// is ["function", arguments...], a line of output what it returns. The first line says that it is ready. Bytes
// are hex.
//
//   node answer.mjs page        the knock page's own code
//   node answer.mjs valid       LuCI's validators
//   node answer.mjs imported    LuCI's reader of what latchkeyd import writes

import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';

const hex = b => Buffer.from(b).toString('hex');
const bytes = text => new Uint8Array(Buffer.from(text, 'hex'));

/** What a function returns, or the name of what it throws. */
function tried(f) {
	try {
		return f();
	} catch (err) {
		return { wrong: err.message || 'this' };
	}
}

/** A module of the LuCI app. */
async function luci(name) {
	const { load } = await import('../luci-app/tests/lib/modules.mjs');
	return load()('latchkey.' + name);
}

const knows = {
	page() {
		const code = ['seal', 'link'].map(name => readFileSync(new URL(`../luci-app/page/${name}.js`, import.meta.url), 'utf8')).join('');
		const page = new Function(`'use strict'; ${code}; return { parseLink, makeBody, seal, slots, base64, unbase64, unseal, pickupName };`)();
		return {
			link: text => tried(() => {
				const l = page.parseLink(text);
				return { ...l, k: hex(l.k) };
			}),
			seal: (key, stamp, door, close, minutes) => hex(page.seal(bytes(key), page.makeBody(stamp, door, close, minutes))),
			slots: (message, base) => page.slots(base, bytes(message)),
			username: message => page.base64(bytes(message)),
			pickup: (code, sealed) => tried(() => ({ text: page.unseal(bytes(code), page.unbase64(sealed)) })),
			name: code => page.pickupName(bytes(code)),
		};
	},
	valid: () => luci('valid'),
	imported: () => luci('imported'),
};

const answers = await knows[process.argv[2]]();
process.stdout.write('"ready"\n');
for await (const line of createInterface({ input: process.stdin })) {
	const [name, ...args] = JSON.parse(line);
	process.stdout.write(JSON.stringify(answers[name](...args)) + '\n');
}
