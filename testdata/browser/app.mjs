// SPDX-License-Identifier: Apache-2.0

// Uses the app in a real browser as a person does, and ends:
//
//   node app.mjs BROWSER TRUST URL
//
//   BROWSER  chromium or firefox
//   TRUST    the hash of the public key of the host's certificate
//   URL      of the app, https:
//
// Each line of standard input is a step: "start" opens the app and waits for its version, "paste LINK" gives it a link,
// "press DOOR" presses a door and waits for the end of the knock. After each, a line says what there is to say.

import { createInterface } from 'node:readline';
import { open, until } from './browser.mjs';
import { press, said } from './page.mjs';

const [name, trust, url] = process.argv.slice(2);
if (!url) {
	console.error('usage: node app.mjs BROWSER TRUST URL');
	process.exit(2);
}
const steps = {
	async start(browser) {
		await browser.goto(url);
		return until('the version', () => browser.run(`document.querySelector('.version code')?.textContent ?? ''`), 30_000);
	},
	async paste(browser, link) {
		await browser.run(`(document.getElementById('paste').value = ${JSON.stringify(link)}, document.getElementById('setup').requestSubmit(), 0)`);
		return until('the link', () => browser.run(`!document.querySelector('.box p.note') && document.title`));
	},
	async press(browser, door) {
		await press(browser, door);
		return (await said(browser, door)).result;
	},
};
const browser = await open(name, { trust });
try {
	for await (const line of createInterface({ input: process.stdin })) {
		const [, step, rest] = line.match(/^(\S+) ?(.*)$/);
		console.log(await steps[step](browser, rest));
	}
} finally {
	await browser.close();
	process.stdin.destroy();
}
