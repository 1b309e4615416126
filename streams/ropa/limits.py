"""What records of processing cannot see, said in them: whoever signs the record has to know. Norwegian and English."""

from __future__ import annotations

from schemas.entries import Name

OF_RECORD = (
    Name(
        nb="Protokollen viser det hendelsene på merkede emner har vist. Behandling som ikke gir slike hendelser,"
        " og meldinger som ikke kunne leses, er ikke med.",
        en="The record shows what events on tagged topics have shown. Processing that gives no such events, and "
        "messages that could not be read, are not in it.",
    ),
    Name(
        nb="Mottakere og overføringer er de som er oppgitt i kontraktene til hendelsene, ikke utleveringer som "
        "er sett.",
        en="Recipients and transfers are those that the contracts of the events declare, not disclosures that "
        "were seen.",
    ),
    Name(
        nb="Formål, behandlingsgrunnlag og kategorier er slik hendelsene ble merket; navn, slettefrister, "
        "garantier og sikkerhetstiltak er de i katalogen som gjelder nå. Om tiltakene virker, er ikke "
        "observert.",
        en="Purposes, legal bases and categories are as the events were tagged; names, limits of erasure, "
        "safeguards and measures of security are those of the catalogue in force now. Whether measures work "
        "was not observed.",
    ),
    Name(
        nb="Hendelser telles også om de er slettet siden; personer telles bare om noe om dem finnes nå, og én "
        "gang for hver identifikator der kundenummeret er ukjent.",
        en="Events count even if they were erased since; people count only if something of them is held now, and"
        " once for each identifier where the customer number is not known.",
    ),
    Name(
        nb="Katalogen sier ikke for hvilke systemer selskapet er databehandler for andre (art. 30 nr. 2); alt "
        "står her som selskapets egen behandling.",
        en="The catalogue does not say for which systems the company is a processor of others (Art. 30(2)); "
        "everything stands here as the company's own processing.",
    ),
)
OF_DECLARED = (
    Name(
        nb="Det som er oppgitt, er merkingen som gjelder nå. At noe ikke er sett, kan også bety at perioden er "
        "for kort.",
        en="What is declared are the annotations in force now. That something was not seen may also mean that "
        "the time is too short.",
    ),
)
OF_MONTHS = (
    Name(
        nb="Månedene sammenlignes etter dagen hendelsene skjedde, ikke dagen de ble lest: hendelser som kommer "
        "sent, endrer en måned som er over. Katalogen slik den var den gang, sammenlignes ikke.",
        en="The months are compared by the day on which events happened, not on which they were read: events "
        "that come late change a month that is over. The catalogue as it was then is not compared.",
    ),
)
