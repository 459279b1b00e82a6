"""Second implementations, written from the definitions in docs/features.md, slow and plain.

They share no code with the engine. Windows are cut out one by one and worked on in extended
precision; recursions are Python loops; SQL says the same in another language.
"""
