// SPDX-License-Identifier: Apache-2.0

// The dialog in which a code is scanned.

/* global button, make, t */

import { textOfPicture, watchCamera } from './scan.js';

/** Tells what is wrong with the text of a code, as a word of words.js, or '' for a link. */
function wrong(text) {
	if (/^latchkey:/.test(text) || /#v=/.test(text)) return '';
	return /#[\w-]{22}$/.test(text) ? 'pageCode' : 'foreign';
}

/** Opens the dialog, and calls taken(text) when the camera or a picture has shown a link. */
export function scanDialog(taken) {
	const dialog = make(document.body, 'dialog', 'scan'), ended = new AbortController();
	dialog.setAttribute('aria-label', t('scan'));
	const video = make(dialog, 'video');
	video.muted = video.playsInline = true; // else iPhones show it in a player of their own
	const status = make(dialog, 'p', '', t('scanLead'));
	status.setAttribute('role', 'status');
	const row = make(dialog, 'p', 'row');
	const label = make(row, 'label', '', t('picture'));
	const picture = Object.assign(make(label, 'input'), { type: 'file', accept: 'image/*' });
	button(row, t('cancel'), () => dialog.close());

	const seen = text => {
		if (ended.signal.aborted) return;
		const why = wrong(text);
		if (why) {
			status.textContent = t(why);
			return;
		}
		dialog.close();
		taken(text);
	};
	picture.onchange = async () => {
		const text = await textOfPicture(picture.files[0]).catch(() => '');
		if (text) seen(text);
		else status.textContent = t('noCode');
		picture.value = ''; // so that the same file counts as a change, too
	};
	dialog.onclose = () => {
		ended.abort();
		dialog.remove();
	};
	dialog.showModal();
	watchCamera(video, seen, ended.signal).catch(error => {
		video.hidden = true;
		status.textContent = t(error.name === 'NotAllowedError' ? 'denied' : 'noCamera');
	});
}
