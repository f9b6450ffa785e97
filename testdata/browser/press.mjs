// SPDX-License-Identifier: Apache-2.0

// Presses a door of the knock page in a real browser, once for each URL, and ends:
//
//   node press.mjs BROWSER DOOR URL...
//
//   BROWSER  chromium or firefox
//   DOOR     name of the door
//   URL      of the page, file: or http:, with the settings behind #
//
// A press takes 3 s, after which the page sends nothing more. Run it in the phone's namespace.

import { open } from './browser.mjs';
import { press } from './page.mjs';

const [name, door, ...urls] = process.argv.slice(2);
if (urls.length === 0) {
	console.error('usage: node press.mjs BROWSER DOOR URL...');
	process.exit(2);
}
const browser = await open(name);
try {
	for (const url of urls) {
		await browser.goto(url);
		console.log('pressed', await press(browser, door));
	}
} finally {
	await browser.close();
}
