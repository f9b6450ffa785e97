// SPDX-License-Identifier: Apache-2.0

// Writes the README's pictures, of the LuCI pages and of the knock page, into a folder:
//
//	node tools/screenshots.mjs FOLDER

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { execFileSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { app } from '../lib/modules.mjs';
import { launch } from '../lib/browser.mjs';
import { openView } from '../lib/luci.mjs';
import { routerOf } from '../browser/routers.js';

const folder = process.argv[2];
const browser = await launch();

mkdirSync(folder, { recursive: true });

// Opens a view as the owner of a quiet household's router; body returns what is to be in the picture.
async function picture(name, view, size, body) {
	const answer = routerOf('quiet');
	const v = await openView(browser, 'view.latchkey.' + view, { answer });

	try {
		await v.page.setViewportSize(size);
		// LuCI draws codes with a library of its own, the stand-in with nothing.
		await v.page.evaluate(svg => { Luci.modules.uqr.renderSVG = () => svg; }, code(answer('latchkey', 'offer', {}).address));
		await v.page.addStyleTag({ content: 'h1 { display: none } body { font-size: 14px; margin: 0 } #view { padding: 4px 16px 12px } .modal { margin: 0 !important; border: 0 !important }' });

		await (await body(v.page)).screenshot({ path: join(folder, name + '.png') });
		console.log(join(folder, name + '.png'));
	}
	finally {
		await v.close();
	}
}

const code = text => execFileSync('qrencode', [ '-t', 'SVG', '-m', '0', '-o', '-', text ], { encoding: 'utf8' });

await picture('overview', 'overview', { width: 1000, height: 900 }, async page => {
	await page.locator('.lk-tl').waitFor();
	await page.locator('#view > .lk > div:last-child').evaluate(n => n.remove()); // the last knocks are the same again, in words

	return page.locator('#view');
});
await picture('wizard', 'overview', { width: 640, height: 900 }, async page => {
	await page.getByRole('button', { name: 'Set up another door…' }).click();
	await page.locator('#maincontent').evaluate(n => { n.hidden = true; });
	await page.getByLabel('Where does the door lead?').waitFor();

	return page.locator('#modal_overlay .modal');
});
await picture('code', 'clients', { width: 640, height: 900 }, async page => {
	await page.getByText('New code…').first().click();
	await page.getByRole('button', { name: 'Show the code', exact: true }).click();
	await page.locator('.lk-qr svg').waitFor();
	await page.locator('#maincontent').evaluate(n => { n.hidden = true; });

	return page.locator('#modal_overlay .modal');
});

// The knock page on a phone, before the press and after it: the door is silent, and answers then.
async function knock() {
	const context = await browser.newContext({ viewport: { width: 390, height: 780 }, locale: 'en' });
	const page = await context.newPage();
	const shot = name => page.screenshot({ path: join(folder, name + '.png') }).then(() => console.log(join(folder, name + '.png')));
	let pressed = false;

	// What is not answered is silence: all but the door after the press.
	await context.route(url => url.protocol != 'file:', route =>
		(pressed && new URL(route.request().url()).port == '2022') ? route.abort('connectionrefused') : undefined);
	await page.goto(pathToFileURL(join(app, 'htdocs/latchkey/index.html')).href +
		'#v=1&n=Home&h=home.example.net&a=127.0.0.1&u=41641&p=20480&k=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8&d=nas_ssh,router_web&i=nas_ssh:tcp:2022:ssh:NAS&i=router_web:tcp:443:https:Router');

	const button = page.locator('[data-door="nas_ssh"]').first();

	await button.waitFor();
	await shot('page-before');
	pressed = true;
	await button.click();
	await page.waitForFunction(() => {
		const b = document.querySelector('[data-door="nas_ssh"]');

		return !b.disabled && b.getAttribute('aria-disabled') != 'true';
	});
	await page.evaluate(() => Promise.all(document.getAnimations().map(a => a.finished.catch(() => 0))).then(() => 0));
	await shot('page-after');
	await context.close();
}

await knock();
await browser.close();
