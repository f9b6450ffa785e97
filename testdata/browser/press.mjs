// SPDX-License-Identifier: Apache-2.0

// Presses one door of the knock page in a real browser, and ends:
//
//   node press.mjs BROWSER PAGE LINK DOOR [SCREENSHOT]
//
//   BROWSER     chromium or firefox
//   PAGE        URL of the page, file: or http:
//   LINK        the link; what stands before its # is not used. "" if the page has its settings inside
//   DOOR        name of the door
//   SCREENSHOT  file to write a picture to after the press
//
// It runs until the page sends nothing more (3 s after the press). Run it in the phone's namespace.

import { open } from './browser.mjs';
import { press, visit } from './page.mjs';

const [name, page, link, door, picture] = process.argv.slice(2);
if (!door) {
	console.error('usage: node press.mjs BROWSER PAGE LINK DOOR [SCREENSHOT]');
	process.exit(2);
}
const browser = await open(name);
try {
	await visit(browser, page, link);
	const at = await press(browser, door);
	if (picture) await browser.shot(picture);
	console.log(JSON.stringify({ browser: name, door, pressed: at }));
} finally {
	await browser.close();
}
