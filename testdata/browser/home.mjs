// SPDX-License-Identifier: Apache-2.0

// Does in a real browser at home what the owner of a router does for a device, and ends:
//
//   node home.mjs BROWSER PROFILE
//
//   BROWSER  chromium or firefox
//   PROFILE  an empty folder, in which the browser leaves what it saves
//
// Each line of standard input is a step, after which a line says what came of it:
//
//   wizard URL PORT   sets up the first door with LuCI's wizard on this page, with the port outside: the address of the code
//   save ADDRESS      opens the address of a code, and saves the knock page: the file

import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { open, until } from './browser.mjs';

const [name, profile] = process.argv.slice(2);
if (!profile) {
	console.error('usage: node home.mjs BROWSER PROFILE');
	process.exit(2);
}
const browser = await open(name, {}, profile);
/** Waits for what an expression finds: a browser on a busy machine. */
const see = (what, found) => until(what, async () => await browser.run(found) || explain(), 60_000);

/** What the page says of a step that failed ends the wait for its success. */
async function explain() {
	const error = await browser.run(`[...document.querySelectorAll('.lk-error, .alert-message')].map(x => x.textContent).join('')`);
	if (error) throw new Error(`the page says: ${error}`);
}

async function press(label) {
	const button = `[...document.querySelectorAll('button')].find(b => b.textContent === ${JSON.stringify(label)} && b.getClientRects().length)`;
	await see(`the button ${label}`, `!!${button}`);
	await browser.run(`(${button}.click(), 0)`);
}

const field = label => `document.getElementById([...document.querySelectorAll('label')].find(l => l.textContent === ${JSON.stringify(label)})?.htmlFor)`;

const steps = {
	async wizard(url, port) {
		await browser.goto(url);
		await press('Set up the first door');
		await see('the wizard', `!!${field('Port outside')}`);
		await browser.run(`(${field('Port outside')}.value = ${JSON.stringify(port)}, ${field('Port outside')}.dispatchEvent(new Event('input')), 0)`);
		await press('Next');
		await press('Save and show the code');
		return (await see('the code', `${field('Command line')}?.value`)).replace('latchkey add ', '');
	},
	async save(address) {
		await browser.goto(address);
		await press('Save for offline use');
		return join(browser.downloads, await until('the file', () => readdirSync(browser.downloads).find(f => f.endsWith('.html')), 60_000));
	},
};
try {
	for await (const line of createInterface({ input: process.stdin })) {
		const [step, ...rest] = line.split(' ');
		console.log(await steps[step](...rest));
	}
} finally {
	await browser.close();
	process.stdin.destroy();
}
