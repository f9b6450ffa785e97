// SPDX-License-Identifier: Apache-2.0

// Presses a door of the knock page in a real browser, once for each URL, and ends:
//
//   node press.mjs [--ask] BROWSER DOOR URL...
//
//   --ask    after each press read a line: "again" presses the same door once more, as a person
//            does to whom nothing has opened
//   BROWSER  chromium or firefox
//   DOOR     name of the door
//   URL      of the page, file: or http:, with the settings behind #
//
// A press takes 3 s, after which the page sends nothing more. Run it in the phone's namespace.

import { createInterface } from 'node:readline';
import { open } from './browser.mjs';
import { press, visitAlone } from './page.mjs';

const args = process.argv.slice(2);
const ask = args[0] === '--ask' && args.shift();
const [name, door, ...urls] = args;
if (urls.length === 0) {
	console.error('usage: node press.mjs [--ask] BROWSER DOOR URL...');
	process.exit(2);
}
const lines = ask && createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const browser = await open(name);
try {
	for (const url of urls) {
		await visitAlone(browser, url);
		do console.log('pressed', await press(browser, door));
		while (ask && (await lines.next()).value === 'again');
	}
} finally {
	await browser.close();
	process.stdin.destroy();
}
