// SPDX-License-Identifier: Apache-2.0

// What the app adds to the knock page, in whose scope it runs (luci-app/page): it keeps itself on the device, shows which
// version that is, takes another one only when its user says yes, and scans codes.

/* global $, addWords, app, button, make, t, take */

import { scanDialog } from './dialog.js';
import { cameFromHost, installed, offered } from './version.js';
import { words } from './words.js';

addWords(words);
app.on = true; // nothing to save: the app is saved

// What should be known before anything is done stands above the doors, the rest is not in their way.
const above = document.createElement('section'), below = document.createElement('section');
$('notes').before(above);
$('foot').before(below);

/** Shows a card, with a button if it says something, which works once. */
function card(parent, text, label = '', onclick) {
	const box = make(parent, 'div', 'box');
	make(box, 'p', '', text);
	if (label) {
		const b = button(box, label, () => {
			b.disabled = true;
			onclick();
		}, 'main');
	}
	return box;
}

/** Shows which version this is, at the end of the page, and returns where. */
function showVersion(version) {
	const details = make(document.querySelector('main'), 'details', 'version');
	make(details, 'summary', '', t('version', version.slice(0, 8)));
	make(details, 'p', '', t('versionWhy'));
	make(details, 'code', '', version);
	return details;
}

async function keepItself() {
	if (await cameFromHost()) {
		card(above, t('past'), t('startAgain'), () => location.reload());
		return;
	}
	let version;
	try {
		version = await installed();
	} catch {
		card(above, t('notKept'));
		return;
	}
	const details = showVersion(version), tell = word => make(details, 'p', '', t(word));
	let other;
	try {
		other = await offered(version);
	} catch { // mostly it is away from its host, as an app is
		tell('hostUnknown');
		return;
	}
	if (!other) {
		tell('hostSame');
		return;
	}
	const box = card(below, t('offered'), t('takeOffered'), async () => {
		await other.take();
		location.reload();
	});
	box.firstChild.after(make(box, 'code', '', other.version));
}

const standalone = navigator.standalone || matchMedia('(display-mode: standalone)').matches;

/** Takes what was scanned. An app that is installed asks to keep it where the system is short of space, too. */
function taken(text) {
	if (standalone) navigator.storage?.persist?.().catch(() => {});
	take(text);
}

$('setup').prepend(button($('setup'), t('scan'), () => scanDialog(taken), 'scan'));

// Only phones of Apple have this property. There, an icon on the Home Screen has a storage of its own.
if (navigator.standalone === false) card(above, t('homeScreen'));
addEventListener('beforeinstallprompt', event => {
	event.preventDefault();
	const box = card(below, t('installWhy'), t('install'), () => {
		box.remove();
		event.prompt();
	});
});
keepItself();
