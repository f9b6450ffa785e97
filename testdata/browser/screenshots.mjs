// SPDX-License-Identifier: Apache-2.0

// Writes pictures of the knock page at phone size to build/screenshots (or the folder that is named):
//
//   node screenshots.mjs [FOLDER]

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { open } from './browser.mjs';
import { pageURL, press, visit } from './page.mjs';

const folder = process.argv[2] ?? fileURLToPath(new URL('../../build/screenshots', import.meta.url));
const link = '#v=1&n=Home&h=home.example.net&a=127.0.0.1&u=41641&p=20480&k=AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8&d=nas_ssh,router_web,garden_camera';

mkdirSync(folder, { recursive: true });
for (const [name, dark, lang] of [['light', false, 'en'], ['dark', true, 'en'], ['dark-de', true, 'de']]) {
	const browser = await open('chromium', { dark, lang });
	const shot = what => browser.shot(join(folder, `page-${name}-${what}.png`));
	try {
		await browser.goto(pageURL);
		await shot('empty');
		await visit(browser, pageURL, link.slice(0, 90));
		await shot('damaged');
		await visit(browser, pageURL, link);
		await shot('doors');
		await press(browser, 'nas_ssh');
		await browser.run('Promise.all(document.getAnimations().map(a => a.finished)).then(() => 0)');
		await shot('knocked');
	} finally {
		await browser.close();
	}
}
