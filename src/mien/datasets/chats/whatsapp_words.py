"""The words that WhatsApp itself puts into an export, in the languages it speaks: patterns, no sentences of people."""

from __future__ import annotations

import re


def _any(*patterns: str) -> str:
    return f"(?:{'|'.join(patterns)})"


_MEDIA = _any(
    *(
        "m[eéè]di",
        "mídi",
        "мед[іи]",
        "медіа",
        "мултим",
        "medya",
        "μέσ",
        "媒體",
        "媒体",
        "メディア",
        "미디어",
        "وسائط",
        "מדיה",
    ),
    *(
        "मीडिया",
        "মিডিয়া",
        "மீடியா",
        "สื่อ",
        "phương tiện",
        "omitted",
        "omitid",
        "omess",
        "ocult",
        "weggelassen",
        "ausgeschlossen",
        "attached",
        "angehängt",
        "anhang",
        "adjunto",
        "anexad",
    ),
    *(
        "fichier joint",
        "pièce jointe",
        "allegat",
        "bijgevoegd",
        "załączon",
        "прикреплено",
        "вложен",
        "eklendi",
        "lampir",
    ),
    *("附件", "添付", "첨부", "مرفق"),
)
#: In angle brackets, by the root of "media" or of "attached": <Media omitted>, <Medien ausgeschlossen>, <attached: …>.
MEDIA_BRACKETS = re.compile(rf"<[^<>]*{_MEDIA}[^<>]*>", re.IGNORECASE)

_KINDS = _any(
    *("image", "photo", "picture", "video(?: note)?", "audio", "gif", "sticker", "document", "contact card"),
    *("bild", "foto", "dokument", "kontaktkarte", "imagen", "vídeo", "documento", "tarjeta de contacto", "vidéo"),
    *("fiche contact", "immagine", "scheda contatto", "imagem", "áudio", "figurinha", "afbeelding", "contactkaart"),
    *("obraz", "zdjęcie", "wideo", "dźwięk", "naklejka", "plik", "изображение", "видео", "аудио", "стикер", "документ"),
    *("görüntü", "ses", "çıkartma", "belge", "ljud", "klistermärke", "billede", "lyd", "bilde", "gambar", "stiker"),
)
_MISSING = _any(
    *("omitted", "weggelassen", "ausgelassen", "omitid[oa]", "omise?", "absente?", "manquante?", "retiré", "omess[oa]"),
    *(
        "non inclus[oa]",
        "ocultad[oa]",
        "ocult[oa]",
        "weggelaten",
        "utelämna[td]",
        "utelatt",
        "udeladt",
        "pominięt[oyae]",
    ),
    *("опущено", "пропущено", "dahil edilmedi", "atlandı", "tidak disertakan", "dihilangkan"),
)
_EAST = (
    r"(?:圖片|图片|图像|影片|视频|音訊|音频|貼圖|贴图|文件|聯絡人卡片|GIF)\s?(?:已略過|已省略|忽略)",
    "(?:画像|動画|音声|スタンプ|ドキュメント)は?(?:含まれていません|省略されました|除外されました)",
    "(?:사진|동영상|오디오|스티커|문서)[이가]? (?:생략됨|생략되었습니다|제외됨)",
)
#: What it is and "omitted": image omitted, Bild weggelassen, imagen omitida.
OMITTED = re.compile(_any(f"{_KINDS} {_MISSING}", *_EAST), re.IGNORECASE)

_ATTACHED = _any(
    *("file attached", "Datei angehängt", "archivo adjunto", "fichier joint", "file allegato", "arquivo anexado"),
    *("ficheiro anexado", "bestand bijgevoegd", "plik dołączony", "załączony plik", "файл добавлен", "файл додано"),
    *("dosya ekli", "bifogad fil", "fil vedlagt", "fil vedhæftet", "tiedosto liitetty", "soubor byl přiložen"),
    *(
        "file terlampir",
        "添付ファイル",
        "檔案附件",
        "文件附件",
        "파일 첨부됨",
        "الملف مرفق",
        "קובץ מצורף",
        "הקובץ צורף",
    ),
)
#: A file's name and what says that it goes along: IMG-20240312-WA0001.jpg (file attached).
FILE_ATTACHED = re.compile(rf"\S(?:.{{0,200}}\S)?\.\w{{1,5}} \({_ATTACHED}\)", re.IGNORECASE)

_DELETED = _any(
    *("This message was deleted", "You deleted this message", "This message was deleted by admin .{1,80}"),
    *("Diese Nachricht wurde gelöscht", "Du hast diese Nachricht gelöscht", "Diese Nachricht wurde vom Admin .{1,80}"),
    *("Se eliminó este mensaje", "Este mensaje fue eliminado", "Eliminaste este mensaje", "Este mensaje se eliminó"),
    *("Mensaje eliminado", "Ce message a été supprimé", "Vous avez supprimé ce message", "Tu as supprimé ce message"),
    *("Questo messaggio è stato eliminato", "Hai eliminato questo messaggio", "Mensagem apagada"),
    *("Esta mensagem foi apagada", "Você apagou esta mensagem", "Apagou esta mensagem", "Dit bericht is verwijderd"),
    *("Dit bericht werd verwijderd", "(?:U|Je|Jij) hebt dit bericht verwijderd", "Ta wiadomość została usunięta"),
    *("Usunięto tę wiadomość", "Usun(?:ąłeś|ęłaś) (?:tę|tą) wiadomość", "Данное сообщение удалено"),
    *("Это сообщение удалено", "Вы удалили (?:данное|это) сообщение", "Це повідомлення (?:було )?видалено"),
    *("Ви видалили це повідомлення", "Bu mesaj silindi", "Bu mesajı sildiniz"),
    *("Det här meddelandet (?:togs bort|raderades)", "Du (?:raderade|tog bort) det här meddelandet"),
    *("Denne besked blev slettet", "Du slettede denne besked", "Denne meldingen ble slettet"),
    *("Du slettet denne meldingen", "Tämä viesti poistettiin", "Poistit tämän viestin"),
    *("Tato zpráva byla (?:odstraněna|smazána)", "Tuto zprávu jste (?:odstranili|smazali)"),
    *("Táto správa bola (?:odstránená|vymazaná)", "Ezt az üzenetet törölték", "Törölted ezt az üzenetet"),
    *("Acest mesaj a fost șters", "Ai șters acest mesaj", "Αυτό το μήνυμα διαγράφηκε", "Διαγράψατε αυτό το μήνυμα"),
    *("Pesan ini (?:telah )?dihapus", "Anda telah menghapus pesan ini", "Mesej ini telah dipadam"),
    *("Tin nhắn này đã bị xóa", "تم حذف هذه الرسالة", "(?:لقد )?حذفت هذه الرسالة", "הודעה זו נמחקה", "מחקת הודעה זו"),
    *("इस मैसेज को डिलीट किया गया(?: है)?", "यह मैसेज डिलीट (?:किया गया|कर दिया गया)(?: है)?"),
    *(
        "आपने यह मैसेज डिलीट किया(?: है)?",
        "此訊息已刪除",
        "此消息已(?:被)?删除",
        "[您你]已刪除此訊息",
        "[您你]已删除此消息",
    ),
    *(
        "このメッセージは削除されました",
        "このメッセージを削除しました",
        "이 메시지는 삭제되었습니다",
        "삭제된 메시지입니다",
    ),
    *("이 메시지를 삭제했습니다", "ข้อความนี้ถูกลบแล้ว"),
)
#: A whole message, with or without a full stop.
DELETED = re.compile(rf"{_DELETED}[.。।]?", re.IGNORECASE)

#: Where somebody is, on Android: location: https://maps.google.com/?q=37.1,-8.2
LOCATION = re.compile(
    _any(
        "(?:location|Standort|ubicación|localisation|localização|posizione|locatie|lokalizacja|Местоположение|konum)"
        r"\s?: https://(?:maps\.google\.com|goo\.gl/maps|maps\.app\.goo\.gl|foursquare\.com)/\S*",
        "live location shared",
        "Live-Standort wird geteilt",
        "ubicación en tiempo real compartida",
        "localisation en direct partagée",
        "localização em tempo real compartilhada",
        "posizione in tempo reale condivisa",
    ),
    re.IGNORECASE,
)

#: The beginning of a line of WhatsApp's own before which a name stands.
SYSTEM = re.compile(
    _any(
        "Messages (?:and calls |to this (?:chat|group) )?are (?:now )?(?:secured|end-to-end)",
        "Messages you send to this (?:chat|group) and calls are",
        r"Waiting for this message(?:\. This may take a while|\.?$)",
        r"Warten auf diese Nachricht\.",
        r"En attente de ce message\.",
        r"Esperando (?:a que llegue )?(?:este|el) mensaje\.",
        r"(?:Aguardando|A aguardar) (?:por )?(?:esta )?mensagem\.",
        r"In attesa (?:del|di questo) messaggio\.",
        r"(?:Appel|Llamada|Videollamada|Chamada|Ligação|Chiamata|Videochiamata)(?: de)?"
        r"(?: (?:voz|vídeo|vocal|vocale|vidéo))? (?:manqué|perdida|persa)[.]?$",
        r"(?:POLL|UMFRAGE|ENCUESTA|SONDAGE|SONDAGGIO|ENQUETE|VOTAÇÃO|PEILING):\n[^\n]*\n"
        "\u200e?(?:OPTION|OPCIÓN|OPÇÃO|OPZIONE|OPTIE):",
        r"Missed (?:group )?(?:voice|video) call(?:[, ]+\d[\d:. ]*(?:[ap]m)?)?$",
        "Nachrichten und (?:Anrufe|Telefonate) sind Ende-zu-Ende",
        r"Verpasster (?:Sprach|Video)anruf(?:[, ]+\d[\d:. ]*)?$",
        "Los mensajes y las llamadas est[áa]n cifrad",
        "Les messages et (?:les )?appels sont chiffrés",
        "I messaggi e le chiamate sono crittografat",
        "As mensagens e (?:as )?(?:chamadas|ligações) são protegidas",
        "Berichten en (?:oproepen|gesprekken) (?:zijn|worden) (?:end-to-end|versleuteld)",
        "Wiadomości i połączenia są (?:szyfrowane|w pełni|zabezpieczone)",
        "Сообщения и звонки защищены",
        "Mesajlar ve aramalar uçtan uca",
        "Meddelanden och samtal (?:är|krypteras)",
    ),
    re.IGNORECASE,
)
#: In what stands before a colon and is no name: Ana changed the group name to Trip: Rome.
NO_NAME = re.compile(
    _any(
        r"\b(?:changed (?:the|this|their) |created (?:group|this) |turned (?:on|off) |joined using |end-to-end)",
        r"\bhat (?:den|die|das) (?:Betreff|Gruppen?)",
        r"\ba (?:changé|créé) ",
        r"\b(?:cambió|creó|mudou|alterou|criou|ha cambiato|ha creato) ",
        r"\bheeft (?:het|de) (?:onderwerp|groep)",
        r"\b(?:изменила?|создала?|değiştirdi|zmieniła?) ",
    ),
    re.IGNORECASE,
)
QUOTES = re.compile('["“”„«»]')

_EDITED = _any(
    *("edited", "bearbeitet", "edit[óo]", "editad[oa]", "modifié", "modificat[oa]", "bewerkt", "redigera", "edytowan"),
    *("изменено", "отредактировано", "düzenlendi", "diedit", "編集", "已編輯", "已编辑", "편집", "تعديل", "נערכה"),
)
#: At the end of a message that was changed later: <This message was edited>.
EDITED = re.compile(rf"\u200e?<[^<>]{{0,40}}{_EDITED}[^<>]{{0,40}}>$", re.IGNORECASE)

# What stands beside a time, without points and spaces.
BEFORE_NOON = frozenset(
    [
        "am",
        "a",
        "上午",
        "凌晨",
        "早上",
        "清晨",
        "오전",
        "午前",
        "ص",
        "πμ",
        "öö",
        "de",
        "dop",
        "fm",
        "sa",
        "पूर्वाह्न",
        "לפנהצ",
        "vorm",
    ]
)
AFTER_NOON = frozenset(
    [
        "pm",
        "p",
        "下午",
        "晚上",
        "傍晚",
        "오후",
        "午後",
        "م",
        "μμ",
        "ös",
        "du",
        "odp",
        "em",
        "ch",
        "अपराह्न",
        "אחהצ",
        "nachm",
    ]
)
EAST = frozenset(
    ["上午", "凌晨", "早上", "清晨", "오전", "午前", "下午", "晚上", "傍晚", "中午", "오후", "午後"]
)  # where the year stands first
PLAIN = frozenset(
    [
        "中午",
        "uhr",
        "h",
        "à",
        "klo",
        "kl",
        "um",
        "at",
        "ob",
        "в",
        "о",
        "o",
        "u",
        "om",
        "pukul",
        "saat",
        "เวลา",
        "น",
        "lúc",
        "alle",
        "às",
        "as",
    ]
) | {""}
